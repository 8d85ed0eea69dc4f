"""The cluster bootstrap."""

import sys

import numpy as np
import pytest

from vesalius.core import ChoiceError
from vesalius.evaluation import bootstrap, bootstrap_each
from vesalius.evaluation import bootstrap as again
from vesalius.evaluation.bootstrap import bca_levels, block_rows, draws


def mean_of(values_N):
    return lambda weights_RN: weights_RN @ values_N / weights_RN.sum(1)


def test_functions_win_over_files_of_the_same_name():
    assert callable(bootstrap)
    assert again is bootstrap


def test_weights_count_how_often_a_patient_was_drawn():
    cluster_N = np.array([0, 0, 1, 2])
    weights_RN = np.concatenate(list(draws(cluster_N, 3, 500, np.random.default_rng(0))))
    assert weights_RN.shape == (500, 4)
    np.testing.assert_array_equal(weights_RN[:, 0], weights_RN[:, 1])
    np.testing.assert_array_equal(weights_RN[:, [0, 2, 3]].sum(1), 3)
    assert abs(weights_RN[:, 2].mean() - 1) < 0.15


def test_interval_equals_a_loop_that_repeats_the_drawn_rows():
    rng = np.random.default_rng(1)
    patients_N = rng.integers(0, 30, 100)
    values_N = rng.normal(size=100)
    got = bootstrap(mean_of(values_N), patients_N, replicates=400, rng=np.random.default_rng(2))
    names, cluster_N = np.unique(patients_N, return_inverse=True)
    means = []
    for drawn in np.random.default_rng(2).integers(0, len(names), (400, len(names))):
        rows = np.concatenate([np.flatnonzero(cluster_N == g) for g in drawn])
        means.append(values_N[rows].mean())
    np.testing.assert_allclose((got.low, got.high), np.quantile(means, (0.025, 0.975)), atol=1e-12)
    assert got.clusters == len(names)


def test_the_mean_of_independent_cases_gets_its_textbook_interval():
    values_N = np.random.default_rng(3).normal(size=400)
    interval = bootstrap(mean_of(values_N), np.arange(400), rng=np.random.default_rng(4))
    half = 1.96 * values_N.std() / 20
    assert interval.low == pytest.approx(values_N.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values_N.mean() + half, abs=0.15 * half)


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_copying_every_patients_rows_changes_nothing(kind):
    rng = np.random.default_rng(5)
    values_N, patients_N = rng.normal(size=60), rng.integers(0, 25, 60)

    def interval(values_N, patients_N):
        return bootstrap(
            mean_of(values_N),
            patients_N,
            replicates=300,
            kind=kind,
            rng=np.random.default_rng(6),
        )

    once = interval(values_N, patients_N)
    thrice = interval(np.tile(values_N, 3), np.tile(patients_N, 3))
    assert thrice.low == pytest.approx(once.low, abs=1e-12)
    assert thrice.high == pytest.approx(once.high, abs=1e-12)


def test_undefined_replicates_are_redrawn_and_counted_for_each_measure_alone():
    rare_N = np.zeros(50)
    rare_N[7] = 1  # in a share 1 - 1/e of the replicates

    def measure(weights_RN):
        rare_R = weights_RN @ rare_N
        return np.stack([np.where(rare_R > 0, rare_R, np.nan), weights_RN.sum(1)], axis=1)

    first, second = bootstrap_each(
        measure, np.arange(50), replicates=1000, rng=np.random.default_rng(7)
    )
    assert first.low >= 1
    assert 450 < first.redrawn < 720  # expected 1000 · (1/e) / (1 - 1/e) = 582
    assert second.redrawn == 0


def test_a_hopeless_measure_gives_up_and_says_so():
    calls = []

    def measure(weights_RN):
        calls.append(len(weights_RN))
        rare = (weights_RN[:, :12] > 0).all(1)  # about 1 in 250 replicates
        return np.where(rare, 1.0, np.nan)

    interval = bootstrap(measure, np.arange(40), replicates=500, rng=np.random.default_rng(8))
    assert np.isnan(interval.low)
    assert "undefined" in interval.note
    assert sum(calls) < 1100


def test_an_undefined_measure_and_a_lone_patient_have_no_interval():
    nothing = bootstrap(
        lambda weights_RN: np.full(len(weights_RN), np.nan),
        np.arange(9),
        rng=np.random.default_rng(0),
    )
    assert np.isnan(nothing.high)
    assert nothing.note == "undefined on these cases"
    lone = bootstrap(mean_of(np.arange(9)), np.zeros(9), rng=np.random.default_rng(0))
    assert np.isnan(lone.low)
    assert lone.note == "no interval from 1 patient"


def test_blocks_stay_small_and_do_not_change_the_draws(monkeypatch):
    assert block_rows(10**9) == 1
    values_N = np.random.default_rng(9).normal(size=70)
    run = lambda: bootstrap(  # noqa: E731
        mean_of(values_N), np.arange(70), replicates=101, rng=np.random.default_rng(1)
    )
    whole = run()
    monkeypatch.setattr(sys.modules[draws.__module__], "BLOCK_BYTES", 70 * 8 * 7)
    blocks = run()
    assert (blocks.low, blocks.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_bca_equals_scipy_on_the_same_replicates():
    from scipy import stats

    values_N = np.random.default_rng(10).exponential(size=40)
    got = bootstrap(
        mean_of(values_N), np.arange(40), replicates=4000, kind="bca", rng=np.random.default_rng(0)
    )
    theirs = stats.bootstrap(
        (values_N,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    assert got.low == pytest.approx(theirs.low, abs=0.02)
    assert got.high == pytest.approx(theirs.high, abs=0.03)
    replicate_R = np.linspace(-1, 1, 1001)
    assert bca_levels(replicate_R, 0.0, np.array([1.0, 2, 3]), (0.025, 0.975)) == pytest.approx(
        (0.025, 0.975)
    )


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        effects_G = rng.normal(size=40)
        values_N = np.repeat(effects_G, 3) + 0.5 * rng.normal(size=120)
        interval = bootstrap(
            mean_of(values_N), np.repeat(np.arange(40), 3), replicates=400, rng=rng
        )
        covered += interval.low <= 0 <= interval.high
    assert 0.91 <= covered / 400 <= 0.98


def test_wrong_settings_name_the_choices():
    with pytest.raises(ChoiceError, match="choose one of bca, percentile"):
        bootstrap(mean_of(np.ones(3)), np.arange(3), kind="BCA", rng=np.random.default_rng(0))
