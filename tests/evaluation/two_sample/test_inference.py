"""How often the test errs, what it finds, and what its interval covers."""

import math

import numpy as np
import pytest

from vesalius.evaluation.two_sample.estimators import Statistic
from vesalius.evaluation.two_sample.inference import evidence
from vesalius.evaluation.two_sample.mmd import mmd_test

NULLS = 1000
# Of 1,000 tests of level 0.05 the share that rejects has the standard deviation
# √(0.05 · 0.95 / 1000) = 0.0069; ± 0.015 are 2.2 of them.
LOW, HIGH = 0.035, 0.065


def rejected(draw, *, times=NULLS, seed=0, permutations=99, **asked):
    """Return how often p ≤ 0.05 on samples that ``draw`` draws."""
    rng = np.random.default_rng(seed)
    found = 0
    for repeat in range(times):
        x, y = draw(rng)
        found += mmd_test(x, y, permutations=permutations, rng=repeat, **asked).p_value <= 0.05
    return found / times


def gaussian(n=24, m=24, d=3, shift=0.0, scale=1.0):
    return lambda rng: (rng.normal(size=(n, d)), rng.normal(shift, scale, size=(m, d)))


def patients(rng, each=3, n=10, d=3, shift=0.0):
    """Return both samples of n patients with ``each`` images, much alike."""
    sides = rng.normal(size=(2, n, 1, d)) + 0.3 * rng.normal(size=(2, n, each, d))
    sides[1] += shift
    return sides.reshape(2, n * each, d)


def pairs(rng, n=24, d=3):
    case = rng.normal(size=(n, d))
    return case + 0.5 * rng.normal(size=(n, d)), case + 0.5 * rng.normal(size=(n, d))


@pytest.mark.parametrize("asked", [{}, {"estimator": "u"}, {"bandwidth": "aggregate"}])
def test_free_cases_are_rejected_as_often_as_said(asked):
    assert LOW <= rejected(gaussian(), **asked) <= HIGH


def test_patients_are_rejected_as_often_as_said_and_their_images_alone_far_too_often():
    patient = np.repeat(np.arange(10), 3)
    assert LOW <= rejected(patients, groups_x=patient, groups_y=patient + 10) <= HIGH
    assert rejected(patients, times=200) > 0.3


def test_pairs_are_rejected_as_often_as_said_and_freely_exchanged_almost_never():
    assert LOW <= rejected(pairs, paired=True) <= HIGH
    assert rejected(pairs, times=200) < 0.02


@pytest.mark.parametrize("asked", [{}, {"bandwidth": "aggregate"}, {"kernel": "energy"}])
def test_a_shifted_mean_and_a_changed_variance_are_found(asked):
    assert rejected(gaussian(shift=0.7), times=100, **asked) > 0.8
    assert rejected(gaussian(n=60, m=60, scale=1.8), times=100, **asked) > 0.8


def test_a_linear_kernel_is_blind_to_variance():
    changed = gaussian(n=60, m=60, scale=1.8)
    assert rejected(changed, times=100, kernel="linear") < 0.2


def test_aggregation_finds_what_the_median_is_too_wide_for():
    """Two groups far apart set the median; what differs is the spread within each."""

    def fine(rng):
        groups = 20 * rng.integers(0, 2, size=(2, 80, 1))
        return groups[0] + rng.normal(size=(80, 2)), groups[1] + 0.3 * rng.normal(size=(80, 2))

    assert rejected(fine, times=60, bandwidth="aggregate") > rejected(fine, times=60) + 0.2


def test_one_bandwidth_aggregated_is_the_plain_test():
    x, y = gaussian(shift=0.3)(np.random.default_rng(0))
    plain, listed = (mmd_test(x, y, bandwidth=given) for given in (1.5, [1.5]))
    assert plain.p_value == listed.p_value
    assert plain.exceeding == int((plain.null_P >= plain.mmd2).sum())


def test_the_best_of_several_bandwidths_is_named_and_its_p_is_not_the_smallest_of_theirs():
    x, y = gaussian(shift=0.4)(np.random.default_rng(1))
    several = mmd_test(x, y, bandwidth=[0.2, 1.5, 40.0])
    alone = [mmd_test(x, y, bandwidth=one).p_value for one in (0.2, 1.5, 40.0)]
    assert several.bandwidth == (0.2, 1.5, 40.0)[int(np.argmin(alone))]
    assert several.aggregated == (0.2, 1.5, 40.0)
    assert min(alone) <= several.p_value <= 3 * min(alone)


def test_evidence_by_hand():
    """Observed 2 is reached by 3 and 2 of four; of ranks 3 and 2 the better is the second's."""
    one = Statistic(np.array([[2.0, 3.0, 2.0, 1.0, 0.0]]), np.zeros(1))
    assert evidence(one) == (0, 2, 3 / 5)
    two = Statistic(np.array([[2.0, 3, 2, 1, 0], [5.0, 1, 9, 2, 3]]), np.zeros(2))
    # ranks 3 1 2* 4 5 and 2 5 1 4 3 (*a tie counts against what was observed): least 2 1 1 4 3
    best, exceeding, p_value = evidence(two)
    assert (best, exceeding, p_value) == (1, 2, 3 / 5)


def test_ties_but_for_rounding_count():
    null = np.array([[1.0, 1.0 - 1e-9, 1.0 - 1e-9, 0.5]])
    assert evidence(Statistic(null, np.array([1e-8])))[1] == 2
    assert evidence(Statistic(null, np.array([1e-10])))[1] == 0


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", ["rbf", "laplace", "energy", "polynomial"])
def test_relabellings_equal_to_the_observed_all_count(kernel, kind):
    """5 pairs have 32 swaps, of which 2 are the observed: of 640 some 40 ± 6 tie with it."""
    x = np.random.default_rng(0).normal(size=(5, 64)).astype(kind)
    y = (x + 3).astype(kind)
    found = mmd_test(x, y, kernel=kernel, paired=True, permutations=640)
    ties = found.null_P > found.mmd2 - 1e-3 * abs(found.mmd2)
    assert found.exceeding == ties.sum()
    assert 16 <= found.exceeding <= 64  # 4 standard deviations
    assert not found.on_floor
    assert "only 16 different relabellings exist" in found.notes[0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("asked", [{}, {"bandwidth": "aggregate"}, {"kernel": "energy"}])
def test_constant_samples_do_not_differ(asked, kind):
    found = mmd_test(np.full((6, 3), 0.1, kind), np.full((9, 3), 0.1, kind), **asked)
    assert found.p_value == 1
    assert found.mmd2 == pytest.approx(0, abs=1e-12)


def test_rows_given_twice_change_no_decision_to_nonsense():
    x, y = gaussian(shift=2.0)(np.random.default_rng(0))
    doubled = mmd_test(np.repeat(x, 2, 0), np.repeat(y, 2, 0), permutations=99)
    assert doubled.p_value == 0.01
    assert np.isfinite([doubled.mmd2, doubled.low, doubled.high]).all()
    assert mmd_test(x, x, permutations=99).p_value > 0.9


@pytest.mark.parametrize("permutations", [1, 7, 99])
def test_p_is_a_count_never_0_and_says_when_it_can_be_no_smaller(permutations):
    x, y = gaussian(n=30, m=30, shift=3.0)(np.random.default_rng(0))
    far = mmd_test(x, y, permutations=permutations)
    assert (far.exceeding, far.p_value) == (0, 1 / (1 + permutations))
    assert far.on_floor
    assert "the smallest" in far.said_p
    near = mmd_test(*gaussian()(np.random.default_rng(0)), permutations=permutations)
    assert near.p_value == (1 + near.exceeding) / (1 + permutations)
    assert near.permutations == permutations
    assert near.on_floor == (near.exceeding == 0)


def slow_witness(x, y, sigma):
    def k(a, b):
        return math.exp(-((a - b) ** 2).sum() / (2 * sigma**2))

    n, m = len(x), len(y)
    at_x = [
        sum(k(x[i], x[j]) for j in range(n) if j != i) / (n - 1) - sum(k(x[i], b) for b in y) / m
        for i in range(n)
    ]
    at_y = [
        sum(k(y[i], a) for a in x) / n - sum(k(y[i], y[j]) for j in range(m) if j != i) / (m - 1)
        for i in range(m)
    ]
    return at_x, at_y


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_the_witness_is_a_slow_loops_and_its_means_differ_by_mmd2(estimator):
    x, y = gaussian(n=8, m=11, shift=0.5)(np.random.default_rng(0))
    found = mmd_test(x, y, bandwidth=1.2, estimator=estimator, permutations=3)
    at_x, at_y = slow_witness(x, y, 1.2)
    np.testing.assert_allclose(found.witness_x, at_x, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.witness_y, at_y, rtol=0, atol=1e-10)
    unbiased = mmd_test(x, y, bandwidth=1.2, permutations=3).mmd2
    assert found.witness_x.mean() - found.witness_y.mean() == pytest.approx(unbiased, abs=1e-12)


def test_cases_planted_where_only_x_is_have_the_largest_witness():
    x, y = gaussian(n=60, m=60)(np.random.default_rng(0))
    x[[3, 17, 41, 50]] = 4 + 0.1 * x[[3, 17, 41, 50]]
    found = mmd_test(x, y, permutations=99)
    assert set(np.argsort(found.witness_x)[-4:]) == {3, 17, 41, 50}


def true_mmd2(shift, d, sigma, variance=1.0):
    """Return MMD² of N(0, vI) and N(shift, vI) for the rbf kernel: Gaussian integrals."""
    wide = sigma**2 + 2 * variance
    return 2 * (sigma**2 / wide) ** (d / 2) * (1 - math.exp(-d * shift**2 / (2 * wide)))


def covered(draw, truth, times=300, **asked):
    rng = np.random.default_rng(0)
    found = [mmd_test(*draw(rng), bandwidth=2.0, permutations=1, **asked) for _ in range(times)]
    return sum(one.low <= truth <= one.high for one in found) / times, found[0]


def test_the_closed_form_is_a_large_samples_mmd2():
    x, y = gaussian(n=3000, m=3000, shift=1.0)(np.random.default_rng(0))
    found = mmd_test(x, y, bandwidth=2.0, permutations=1)
    assert found.mmd2 == pytest.approx(true_mmd2(1.0, 3, 2.0), rel=0.05)


# 300 intervals of 95 %: the share that covers has the standard deviation 0.0126.
def test_the_interval_covers_mmd2_where_samples_differ():
    share, found = covered(gaussian(n=40, m=60, shift=1.0), true_mmd2(1.0, 3, 2.0))
    assert 0.90 <= share <= 0.98
    assert found.clusters == 100


def test_the_interval_of_patients_covers_and_that_of_their_images_does_not():
    def draw(rng):
        return patients(rng, n=25, shift=1.0)

    truth = true_mmd2(1.0, 3, 2.0, variance=1 + 0.3**2)
    patient = np.repeat(np.arange(25), 3)
    share, found = covered(draw, truth, groups_x=patient, groups_y=patient + 25)
    assert 0.90 <= share <= 0.98
    assert found.clusters == 50
    assert covered(draw, truth)[0] < 0.85


def test_the_interval_of_pairs_counts_a_pair_once():
    def draw(rng):
        x, y = pairs(rng, n=50)
        return x, y + 1.0

    truth = true_mmd2(1.0, 3, 2.0, variance=1.25)
    share, found = covered(draw, truth, paired=True)
    assert 0.90 <= share <= 0.98
    assert found.clusters == 50
