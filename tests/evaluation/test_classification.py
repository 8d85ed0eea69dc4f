"""Every measure of a ledger, each with its interval."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from vesalius.core import ChoiceError, DataError, Predictions
from vesalius.evaluation import choose_thresholds, classification

EXACT = {"rel": 0, "abs": 1e-12}


def by_name(scores):
    return {(s.name, s.label): s for s in scores}


def values(predictions, **settings):
    scores = classification(predictions, **{"replicates": 0, **settings})
    return {key: s.value for key, s in by_name(scores).items()}


def test_hand_computed_values_of_four_cases():
    scores_NC = np.array([[0.9], [0.6], [0.4], [0.1]])
    truths_NC = np.array([[1.0], [0], [1], [0]])
    got = values(Predictions(scores_NC, truths_NC, ("Edema",), np.array(list("abcd"))))
    assert got["auroc", "Edema"] == 0.75
    assert got["average_precision", "Edema"] == pytest.approx((1 + 2 / 3) / 2, **EXACT)
    assert got["f1", "Edema"] == got["sensitivity", "Edema"] == got["specificity", "Edema"] == 0.5
    assert got["brier", "Edema"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4, **EXACT)
    assert got["ece", "Edema"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4, **EXACT)


@pytest.mark.parametrize("ties", [True, False])
def test_multilabel_values_equal_scikit_learn(make_ledger, ties):
    test, validation = make_ledger(ties=ties), make_ledger(ties=ties, seed=1, prefix="val")
    got = values(test, thresholds_from=validation)
    truth, score = test.truths_NC, test.scores_NC
    decided = score >= choose_thresholds(validation)
    for c, label in enumerate(test.label_names):
        expected = {
            "auroc": metrics.roc_auc_score(truth[:, c], score[:, c]),
            "average_precision": metrics.average_precision_score(truth[:, c], score[:, c]),
            "brier": metrics.brier_score_loss(truth[:, c], score[:, c]),
            "f1": metrics.f1_score(truth[:, c], decided[:, c]),
            "sensitivity": metrics.recall_score(truth[:, c], decided[:, c]),
            "specificity": metrics.recall_score(truth[:, c], decided[:, c], pos_label=0),
        }
        for name, value in expected.items():
            assert got[name, label] == pytest.approx(value, **EXACT), name
    expected = {
        "macro_auroc": metrics.roc_auc_score(truth, score),
        "macro_average_precision": metrics.average_precision_score(truth, score),
        "macro_f1": metrics.f1_score(truth, decided, average="macro"),
        "exact_match": metrics.accuracy_score(truth, decided),
        "lrap": metrics.label_ranking_average_precision_score(truth, score),
        "coverage_error": metrics.coverage_error(truth, score),
    }
    for name, value in expected.items():
        assert got[name, ""] == pytest.approx(value, **EXACT), name


def test_multiclass_values_equal_scikit_learn(make_ledger):
    test = make_ledger(task="multiclass")
    got = values(test)
    truth, score = test.truths_NC.argmax(1), test.scores_NC
    best = score.argmax(1)
    expected = {
        "accuracy": metrics.accuracy_score(truth, best),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, best),
        "macro_auroc": metrics.roc_auc_score(truth, score, multi_class="ovr"),
        "macro_average_precision": metrics.average_precision_score(test.truths_NC, score),
        "macro_f1": metrics.f1_score(truth, best, average="macro"),
        "brier": ((test.truths_NC - score) ** 2).sum(1).mean(),
    }
    for name, value in expected.items():
        assert got[name, ""] == pytest.approx(value, **EXACT), name
    for c, label in enumerate(test.label_names):
        assert got["auroc", label] == pytest.approx(
            metrics.roc_auc_score(truth == c, score[:, c]), **EXACT
        )
        assert got["f1", label] == pytest.approx(metrics.f1_score(truth == c, best == c), **EXACT)


def test_unknown_truth_never_counts(make_ledger):
    ledger = make_ledger(unknown=0.3)
    got = by_name(classification(ledger, replicates=0))
    for c, label in enumerate(ledger.label_names):
        known = ~np.isnan(ledger.truths_NC[:, c])
        truth, score = ledger.truths_NC[known, c], ledger.scores_NC[known, c]
        assert got["auroc", label].value == pytest.approx(
            metrics.roc_auc_score(truth, score), **EXACT
        )
        assert got["brier", label].value == pytest.approx(
            metrics.brier_score_loss(truth, score), **EXACT
        )
        assert got["f1", label].value == pytest.approx(
            metrics.f1_score(truth, score >= 0.5), **EXACT
        )
        assert got["auroc", label].n == known.sum()
        assert got["auroc", label].positives == truth.sum()
    full = ~np.isnan(ledger.truths_NC).any(1)
    lrap = got["lrap", ""]
    assert lrap.n == full.sum()
    assert "known in part only" in lrap.note
    assert lrap.value == pytest.approx(
        metrics.label_ranking_average_precision_score(
            ledger.truths_NC[full], ledger.scores_NC[full]
        ),
        **EXACT,
    )


def test_a_case_without_a_score_counts_as_unknown(make_ledger):
    ledger = make_ledger()
    holes_NC = np.random.default_rng(3).random(ledger.scores_NC.shape) < 0.2
    no_score = replace(ledger, scores_NC=np.where(holes_NC, np.nan, ledger.scores_NC))
    no_truth = replace(ledger, truths_NC=np.where(holes_NC, np.nan, ledger.truths_NC))
    assert values(no_score) == values(no_truth)


def test_the_bootstrap_equals_scikit_learn_on_rows_that_are_really_repeated(make_ledger):
    ledger = make_ledger(n=60, c=3, unknown=0.1, per_patient=3)
    got = by_name(classification(ledger, replicates=60, seed=5))
    patients, cluster_N = np.unique(ledger.patient_ids, return_inverse=True)
    loops = {"macro_auroc": [], "macro_average_precision": [], "macro_f1": [], "brier": []}
    draws = np.random.default_rng(5).integers(0, len(patients), (60, len(patients)))
    for drawn in draws:
        rows = np.concatenate([np.flatnonzero(cluster_N == g) for g in drawn])
        per_label = {name: [] for name in loops}
        for c in range(3):
            known = rows[~np.isnan(ledger.truths_NC[rows, c])]
            truth, score = ledger.truths_NC[known, c], ledger.scores_NC[known, c]
            per_label["macro_auroc"].append(metrics.roc_auc_score(truth, score))
            per_label["macro_average_precision"].append(
                metrics.average_precision_score(truth, score)
            )
            per_label["macro_f1"].append(metrics.f1_score(truth, score >= 0.5))
            per_label["brier"].append(metrics.brier_score_loss(truth, score))
        for name, each in per_label.items():
            loops[name].append(np.mean(each))
    for name, expected in loops.items():
        assert got[name, ""].redrawn == 0
        low, high = np.quantile(expected, (0.025, 0.975))
        assert (got[name, ""].low, got[name, ""].high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("kind", ["percentile", "bca"])
@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_copying_every_patients_rows_does_not_shrink_an_interval(make_ledger, task, kind):
    ledger = make_ledger(n=80, c=3, task=task)
    copies = ledger.select(np.tile(np.arange(80), 4))
    once = by_name(classification(ledger, replicates=100, kind=kind))
    often = by_name(classification(copies, replicates=100, kind=kind))
    for key, score in once.items():
        assert often[key].n == 4 * score.n
        assert often[key].clusters == score.clusters
        assert (often[key].value, often[key].low, often[key].high) == pytest.approx(
            (score.value, score.low, score.high), abs=1e-9
        ), key


def test_the_order_of_cases_and_labels_does_not_matter(make_ledger):
    ledger = make_ledger(unknown=0.2)
    shuffled = ledger.select(np.random.default_rng(0).permutation(len(ledger)))
    shuffled = replace(
        shuffled,
        scores_NC=shuffled.scores_NC[:, ::-1],
        truths_NC=shuffled.truths_NC[:, ::-1],
        label_names=shuffled.label_names[::-1],
    )
    assert values(shuffled) == pytest.approx(values(ledger), **EXACT)


def test_ranking_measures_see_only_the_order(make_ledger):
    ledger = make_ledger()
    warped = replace(ledger, scores_NC=np.exp(3 * ledger.scores_NC) - 7)
    mine, theirs = by_name(classification(ledger)), by_name(classification(warped))
    for name in ("macro_auroc", "macro_average_precision", "lrap", "coverage_error"):
        assert mine[name, ""].value == theirs[name, ""].value
        assert (mine[name, ""].low, mine[name, ""].high) == (
            theirs[name, ""].low,
            theirs[name, ""].high,
        )


def test_scores_that_are_no_probabilities_have_no_brier_ece_or_cut_and_say_so(make_ledger):
    ledger = make_ledger()
    got = by_name(classification(replace(ledger, scores_NC=10 * ledger.scores_NC), replicates=20))
    for name in ("brier", "ece", "macro_f1", "exact_match"):
        assert np.isnan(got[name, ""].value)
        assert "not probabilities" in got[name, ""].note
    assert got["macro_auroc", ""].value > 0.5


def test_a_label_without_positives_stays_with_a_note_and_leaves_the_macro(make_ledger):
    ledger = make_ledger()
    truths_NC = ledger.truths_NC.copy()
    truths_NC[:, 1] = 0
    truths_NC[:, 2] = np.nan
    got = by_name(classification(replace(ledger, truths_NC=truths_NC), replicates=50))
    assert np.isnan(got["auroc", "label1"].value)
    assert got["auroc", "label1"].note == "no positive case"
    assert got["auroc", "label2"].note == "no case of known truth"
    assert got["specificity", "label1"].value > 0
    macro = got["macro_auroc", ""]
    assert macro.value == pytest.approx(
        np.mean([got["auroc", "label0"].value, got["auroc", "label3"].value]), **EXACT
    )
    assert "without label1 (no positive case), label2 (no case of known truth)" in macro.note
    assert macro.low < macro.value < macro.high


def test_a_rare_label_is_redrawn_and_counted(make_ledger):
    ledger = make_ledger(per_patient=1)
    truths_NC = ledger.truths_NC.copy()
    truths_NC[:, 0] = 0
    truths_NC[[3, 4], 0] = 1
    got = by_name(classification(replace(ledger, truths_NC=truths_NC), replicates=300))
    assert 20 < got["auroc", "label0"].redrawn < 80  # expected 300 · e⁻²/(1 − e⁻²) = 47
    assert got["auroc", "label3"].redrawn == 0


def test_unknown_patients_are_said_in_every_note(make_ledger):
    scores = classification(make_ledger(per_patient=0), replicates=20)
    assert all("patients unknown: cases treated as independent" in s.note for s in scores)
    assert scores[0].clusters == 200
    assert not any("unknown" in s.note for s in classification(make_ledger(), replicates=20))


def test_one_patient_has_no_interval(make_ledger):
    scores = classification(make_ledger(per_patient=200))
    assert all(np.isnan(s.low) and s.note for s in scores)
    assert not np.isnan(scores[0].value)


def test_thresholds_may_not_come_from_the_cases_they_judge(make_ledger):
    ledger = make_ledger()
    with pytest.raises(DataError, match="shares 200 case ids.*'case0'"):
        classification(ledger, thresholds_from=ledger)


def test_thresholds_from_the_same_patients_are_said_in_the_note(make_ledger):
    validation, test = make_ledger(prefix="val"), make_ledger()
    leaky = replace(validation, patient_ids=test.patient_ids)
    notes = {
        s.name: s.note
        for s in classification(test, thresholds_from=leaky, replicates=0)
        if not s.label
    }
    assert "chosen on 100 of the same patients" in notes["macro_f1"]
    assert "chosen on" not in notes["macro_auroc"]


def test_a_label_never_positive_in_validation_is_never_decided_present(make_ledger):
    validation = make_ledger(prefix="val")
    validation.truths_NC[:, 0] = 0
    got = by_name(classification(make_ledger(), thresholds_from=validation, replicates=20))
    assert got["sensitivity", "label0"].value == 0
    assert got["specificity", "label0"].value == 1
    assert np.isnan(got["threshold", "label0"].value)
    assert "label0: no positive in validation" in got["macro_f1", ""].note
    assert got["threshold", "label1"].n == 200
    assert got["f1", "label1"].note == ""


def test_a_multiclass_case_with_two_classes_is_an_error(make_ledger):
    ledger = make_ledger(task="multiclass")
    ledger.truths_NC[7] = 1
    with pytest.raises(DataError, match="case 'case7' has 4 true classes"):
        classification(ledger)


def test_the_same_seed_gives_the_same_scores_and_json_can_hold_them(make_ledger):
    import json

    first, again = (classification(make_ledger(unknown=0.5), replicates=50) for _ in range(2))
    assert list(map(str, first)) == list(map(str, again))
    json.dumps([s.as_dict() for s in first], allow_nan=False)
    assert {s.protocol for s in first} == {"classification/v1"}


def test_an_unknown_protocol_names_the_choices(make_ledger):
    with pytest.raises(ChoiceError, match="choose one of medmnist, published, sound"):
        classification(make_ledger(), protocol="publisched")


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_auroc_intervals_cover_the_true_auroc_about_as_often_as_they_say(kind):
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    true_auroc, covered = norm.cdf(1 / np.sqrt(2 * 1.5)), 0
    for _ in range(300):
        truth_G = (rng.random(80) < 0.4).astype(float)
        truth_N, shared_N = np.repeat(truth_G, 2), np.repeat(rng.normal(size=80), 2)
        # unit of variance 1.5, two images of a patient alike
        score_N = truth_N + shared_N + np.sqrt(0.5) * rng.normal(size=160)
        ledger = Predictions(
            score_N[:, None],
            truth_N[:, None],
            ("Edema",),
            np.arange(160).astype(str),
            np.repeat(np.arange(80), 2).astype(str),
        )
        score = classification(ledger, replicates=300, kind=kind, seed=int(rng.integers(1e9)))[0]
        covered += score.low <= true_auroc <= score.high
    assert 0.90 <= covered / 300 <= 0.98
