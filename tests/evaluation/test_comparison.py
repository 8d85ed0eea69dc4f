"""One model against another."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import (
    bootstrap,
    classification,
    compare,
    delong,
    paired_difference,
    paired_permutation,
)
from vesalius.evaluation.comparison import paired
from vesalius.evaluation.delong import auroc_covariance
from vesalius.evaluation.measures import MEASURES


def two_models(rng, n, *, shift=(1.0, 1.0), shared=0.7, share=0.4):
    truth_N = (rng.random(n) < share).astype(float)
    common_N = rng.normal(size=n)
    first_N, second_N = (shared * common_N + rng.normal(size=n) + s * truth_N for s in shift)
    return truth_N, first_N, second_N


def slow_covariance(truth_N, scores_MN, clusters_N):
    """Obuchowski 1997, loop by loop."""
    positive, negative = np.flatnonzero(truth_N == 1), np.flatnonzero(truth_N == 0)
    wins = [
        np.array([[(s[i] > s[j]) + 0.5 * (s[i] == s[j]) for j in negative] for i in positive])
        for s in scores_MN
    ]
    auroc = [w.mean() for w in wins]
    groups = list(dict.fromkeys(clusters_N))
    p, q = len(positive), len(negative)
    with_p = len(set(clusters_N[positive]))
    with_q = len(set(clusters_N[negative]))
    sums_p = [[sum(w[k].mean() - a for k, i in enumerate(positive) if clusters_N[i] == g)
               for g in groups] for w, a in zip(wins, auroc, strict=True)]  # fmt: skip
    sums_q = [[sum(w[:, k].mean() - a for k, j in enumerate(negative) if clusters_N[j] == g)
               for g in groups] for w, a in zip(wins, auroc, strict=True)]  # fmt: skip
    covariance = np.zeros((len(wins), len(wins)))
    for r in range(len(wins)):
        for s in range(len(wins)):
            s10 = with_p / ((with_p - 1) * p) * np.dot(sums_p[r], sums_p[s])
            s01 = with_q / ((with_q - 1) * q) * np.dot(sums_q[r], sums_q[s])
            s11 = np.dot(sums_p[r], sums_q[s]) + np.dot(sums_q[r], sums_p[s])
            s11 *= len(groups) / (len(groups) - 1)
            covariance[r, s] = s10 / p + s01 / q + s11 / (p * q)
    return auroc, covariance


@pytest.mark.parametrize("clustered", [False, True])
def test_delong_equals_the_loop_over_pairs(clustered):
    rng = np.random.default_rng(0)
    truth_N, *scores = two_models(rng, 60)
    scores_2N = np.round(np.stack(scores), 1)  # with ties
    clusters_N = rng.integers(0, 20, 60) if clustered else np.arange(60)
    auroc, covariance = auroc_covariance(truth_N, scores_2N, clusters_N)
    slow_auroc, slow = slow_covariance(truth_N, scores_2N, clusters_N)
    np.testing.assert_allclose(auroc, slow_auroc, atol=1e-12)
    np.testing.assert_allclose(covariance, slow, atol=1e-12)
    assert auroc[0] == pytest.approx(metrics.roc_auc_score(truth_N, scores_2N[0]), abs=1e-12)


def test_clusters_of_one_case_change_nothing():
    truth_N, first_N, second_N = two_models(np.random.default_rng(1), 150)
    plain = delong(truth_N, first_N, second_N)
    singles = delong(truth_N, first_N, second_N, np.arange(150))
    assert singles.p_value == pytest.approx(plain.p_value, abs=1e-12)
    assert (singles.low, singles.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def test_copied_cases_deceive_plain_delong_but_not_the_clustered_one():
    truth_N, first_N, second_N = two_models(np.random.default_rng(2), 100)
    four = [np.tile(v, 4) for v in (truth_N, first_N, second_N)]
    once = delong(truth_N, first_N, second_N)
    naive, clustered = delong(*four), delong(*four, np.tile(np.arange(100), 4))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)
    # Obuchowski's estimate differs by O(1/n) from DeLong's: no diagonal of pairs is left out
    assert clustered.high - clustered.low == pytest.approx(once.high - once.low, rel=0.02)


def test_delong_agrees_with_the_bootstrap():
    truth_N, first_N, second_N = two_models(np.random.default_rng(3), 500, shift=(1.5, 1.0))
    got = delong(truth_N, first_N, second_N)
    scores = [s[:, None] for s in (first_N, second_N)]

    def difference(weights_RN):
        first_R, second_R = (
            MEASURES["macro_auroc"](truth_N[:, None], s, weights_RN) for s in scores
        )
        return first_R - second_R

    interval = bootstrap(difference, np.arange(500), rng=np.random.default_rng(4))
    width = got.high - got.low
    assert interval.low == pytest.approx(got.low, abs=0.06 * width)
    assert interval.high == pytest.approx(got.high, abs=0.06 * width)


def test_delong_keeps_its_level_when_nothing_differs():
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(1000):
        truth_N, first_N, second_N = two_models(rng, 120)
        p_values.append(delong(truth_N, first_N, second_N).p_value)
    assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.07


def test_clustered_delong_keeps_its_level_where_plain_delong_does_not():
    rng = np.random.default_rng(6)
    plain, clustered = [], []
    clusters_N = np.repeat(np.arange(60), 4)
    for _ in range(400):
        truth_N = np.repeat((rng.random(60) < 0.4).astype(float), 4)
        both = [
            np.repeat(rng.normal(size=60) + truth_N[::4], 4) + 0.3 * rng.normal(size=240)
            for _ in range(2)
        ]
        plain.append(delong(truth_N, *both).p_value < 0.05)
        clustered.append(delong(truth_N, *both, clusters_N).p_value < 0.05)
    assert 0.025 <= np.mean(clustered) <= 0.085
    assert np.mean(plain) > 0.2


def test_identical_models_differ_by_exactly_0(make_ledger):
    ledger = make_ledger(n=120, unknown=0.1)
    for one in compare(ledger, ledger, permutations=200, replicates=200):
        assert one.difference == one.low == one.high == 0
        assert one.p_value == 1
        assert one.p_adjusted == 1 or one.label == ""


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_identical_models_are_interchangeable_by_every_measure(make_ledger, measure):
    task = "multiclass" if "accuracy" in measure else "multilabel"
    ledger = make_ledger(n=60, task=task)
    rng = np.random.default_rng(0)
    one = paired_permutation(ledger, ledger, measure=measure, permutations=99, rng=rng)
    assert (one.difference, one.p_value) == (0, 1)
    score = paired_difference(ledger, ledger, measure=measure, replicates=50)
    assert (score.value, score.low, score.high) == (0, 0, 0)
    assert score.name == f"{measure}_difference"


@pytest.mark.parametrize("measure", ["macro_auroc", "brier", "lrap", "exact_match"])
def test_the_permutation_test_equals_a_loop_that_swaps_patients(make_ledger, measure):
    first = make_ledger(n=30, c=3, per_patient=3)
    noise_NC = 0.3 * np.random.default_rng(1).random(first.scores_NC.shape)
    second = replace(first, scores_NC=np.clip(first.scores_NC + noise_NC, 0, 1))
    got = paired_permutation(
        first, second, measure=measure, permutations=40, rng=np.random.default_rng(2)
    )

    def value(scores_NC):
        if measure == "exact_match":
            return float((first.truths_NC == scores_NC).all(1).mean())
        return float(MEASURES[measure](first.truths_NC, scores_NC)[0])

    mine, theirs = first.scores_NC, second.scores_NC
    if measure == "exact_match":
        mine, theirs = (mine >= 0.5).astype(float), (theirs >= 0.5).astype(float)
    observed = value(mine) - value(theirs)
    if measure == "macro_auroc":
        from scipy.stats import rankdata

        mine, theirs = rankdata(mine, axis=0), rankdata(theirs, axis=0)
    _, cluster_N = np.unique(first.patient_ids, return_inverse=True)
    at_least = 0
    for kept in np.random.default_rng(2).integers(0, 2, (40, 10)):
        keep_N1 = kept[cluster_N][:, None] == 1
        swapped = value(np.where(keep_N1, mine, theirs)) - value(np.where(keep_N1, theirs, mine))
        at_least += abs(swapped) >= abs(observed) - 1e-12
    assert got.difference == pytest.approx(observed, abs=1e-12)
    assert got.p_value == (1 + at_least) / 41


def test_the_permutation_test_keeps_its_level_and_finds_what_is_there(make_ledger):
    rng = np.random.default_rng(7)
    small = []
    for i in range(200):
        base = make_ledger(n=60, c=2, seed=i, ties=False)
        noisy = [base.scores_NC + 0.3 * rng.normal(size=base.scores_NC.shape) for _ in range(2)]
        first, second = (replace(base, scores_NC=s) for s in noisy)
        small.append(paired_permutation(first, second, permutations=99, rng=rng).p_value <= 0.05)
    assert 0.01 <= np.mean(small) <= 0.10
    worse = replace(base, scores_NC=rng.random(base.scores_NC.shape))
    one = paired_permutation(base, worse, permutations=999, rng=rng)
    assert one.p_value == 0.001
    assert "as small as 999 swaps allow" in one.note


def test_models_of_different_scales_are_compared_by_their_order(make_ledger):
    ledger = make_ledger(n=60)
    logits = replace(ledger, scores_NC=100 * ledger.scores_NC - 3)
    one = paired_permutation(ledger, logits, permutations=99, rng=np.random.default_rng(0))
    assert (one.difference, one.p_value) == (0, 1)


def test_the_difference_has_a_narrower_interval_than_its_two_parts(make_ledger):
    first = make_ledger(ties=False)
    rng = np.random.default_rng(0)
    second = replace(first, scores_NC=first.scores_NC + 0.05 * rng.normal(size=(200, 4)))
    score = paired_difference(first, second, replicates=500)
    alone = {s.name: s for s in classification(first, replicates=500)}["macro_auroc"]
    assert score.high - score.low < 0.5 * (alone.high - alone.low)
    assert score.low < score.value < score.high
    assert score.clusters == 100


def test_cases_and_labels_are_matched_by_name(make_ledger):
    first = make_ledger(n=40)
    rows = np.random.default_rng(0).permutation(40)
    turned = first.select(rows)
    turned = replace(
        turned,
        label_names=first.label_names[::-1],
        scores_NC=turned.scores_NC[:, ::-1],
        truths_NC=turned.truths_NC[:, ::-1],
    )
    assert paired_difference(first, turned, replicates=20).value == 0


def test_what_does_not_fit_is_named(make_ledger):
    first = make_ledger(n=40)
    with pytest.raises(
        DataError, match="1 cases are not in both, first 'case39', which the second"
    ):
        compare(first, first.select(np.arange(39)))
    with pytest.raises(DataError, match="first 'extra', which the second lacks"):
        compare(replace(first, label_names=("extra", *first.label_names[1:])), first)
    other = replace(first, truths_NC=first.truths_NC.copy())
    other.truths_NC[5, 2] = np.nan
    with pytest.raises(DataError, match="truth of case 'case5', label 'label2'"):
        compare(first, other)
    with pytest.raises(ChoiceError, match="did you mean 'macro_auroc'"):
        paired_difference(first, first, measure="macro_auc")
    with pytest.raises(DataError, match="multiclass"):
        paired_difference(first, first, measure="accuracy")
    with pytest.raises(ChoiceError, match="choose one of Benjamini-Hochberg, Holm"):
        compare(first, first, correction="holm")


def test_a_missing_score_counts_in_neither_model(make_ledger):
    first = make_ledger(n=40)
    holes = first.scores_NC.copy()
    holes[:5] = np.nan
    mine, theirs = paired(first, replace(first, scores_NC=holes))
    assert np.isnan(mine.scores_NC[:5]).all()
    assert not np.isnan(theirs.scores_NC[5:]).any()


def test_perfect_separation_has_no_p_value_and_a_missing_class_no_auroc():
    truth_N = np.array([0, 0, 1, 1.0])
    perfect = delong(truth_N, truth_N, 1 - truth_N)
    assert perfect.difference == 1
    assert np.isnan(perfect.p_value)
    assert "no variance" in perfect.note
    empty = delong(np.zeros(4), truth_N, truth_N)
    assert np.isnan(empty.difference)
    assert empty.note == "no positive case"


def test_a_comparison_reads_as_a_sentence(make_ledger):
    first = make_ledger(method="probe", seed=0)
    second = replace(make_ledger(seed=0), method="knn")
    macro, *labels = compare(first, second, permutations=50, replicates=50)
    assert str(macro).startswith("macro_auroc: probe 0.")
    assert "knn" in str(macro)
    assert "paired permutation, 50 swaps of patients, n=200" in str(macro)
    assert [one.label for one in labels] == list(first.label_names)
    assert "Holm" in str(labels[0])
    assert "clustered by patient" in labels[0].test
