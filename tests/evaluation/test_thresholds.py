"""Thresholds chosen on validation."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from vesalius.core import DataError, Predictions
from vesalius.evaluation import choose_thresholds, classification


def one_label(scores, truths):
    n = len(scores)
    return Predictions(
        np.array(scores, float)[:, None],
        np.array(truths, float)[:, None],
        ("Edema",),
        np.arange(n).astype(str),
    )


def test_the_cut_has_the_highest_f1_of_all_cuts(make_ledger):
    ledger = make_ledger(unknown=0.2)
    for c, cut in enumerate(choose_thresholds(ledger)):
        known = ~np.isnan(ledger.truths_NC[:, c])
        truth, score = ledger.truths_NC[known, c], ledger.scores_NC[known, c]
        f1 = {t: metrics.f1_score(truth, score >= t) for t in np.unique(score)}
        best = max(f1.values())
        assert cut == max(t for t, value in f1.items() if value == pytest.approx(best, abs=1e-12))


def test_among_equal_cuts_the_highest_is_taken():
    # 0.9: F1 = 2·1/(1+2) = 2/3; 0.2: 2·2/(4+2) = 2/3
    assert choose_thresholds(one_label([0.9, 0.5, 0.4, 0.2], [1, 0, 0, 1])) == [0.9]


def test_tied_scores_cannot_be_cut_apart():
    assert choose_thresholds(one_label([0.5, 0.5, 0.1], [1, 0, 0])) == [0.5]


def test_no_positive_gives_no_threshold():
    assert np.isnan(choose_thresholds(one_label([0.5, 0.1], [0, np.nan]))).all()


def test_shuffling_test_labels_changes_no_threshold(make_ledger):
    validation, test = make_ledger(prefix="val", seed=1), make_ledger()
    shuffled = replace(test, truths_NC=np.random.default_rng(0).permutation(test.truths_NC))

    def cuts(test):
        scores = classification(test, thresholds_from=validation, replicates=0)
        return [s.value for s in scores if s.name == "threshold"]

    assert cuts(test) == cuts(shuffled) == choose_thresholds(validation).tolist()


def test_labels_are_matched_by_name(make_ledger):
    validation, test = make_ledger(prefix="val", seed=1), make_ledger()
    turned = replace(
        validation,
        label_names=validation.label_names[::-1],
        scores_NC=validation.scores_NC[:, ::-1],
        truths_NC=validation.truths_NC[:, ::-1],
    )
    first, second = (
        classification(test, thresholds_from=v, replicates=0) for v in (validation, turned)
    )
    assert [s.value for s in first] == [s.value for s in second]
    with pytest.raises(DataError, match="no label 'label0'"):
        classification(test, thresholds_from=replace(validation, label_names=("a", "b", "c", "d")))
