"""The IU-Xray study's own measures."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics
from sklearn.preprocessing import minmax_scale

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import classification


def published(predictions, **settings):
    scores = classification(predictions, protocol="published", replicates=50, **settings)
    return {(s.name, s.label): s for s in scores}


@pytest.mark.parametrize(
    ("method", "scaling", "scale"),
    [
        ("zero_shot", "auto", lambda s: minmax_scale(s, axis=1)),
        ("linear_probe", "min_max", lambda s: minmax_scale(s, axis=1)),
        ("linear_probe", "auto", lambda s: 1 / (1 + np.exp(-s))),
    ],
)
def test_values_equal_scikit_learn_after_the_studys_scaling(make_ledger, method, scaling, scale):
    ledger = make_ledger(c=6, ties=False, method=method)
    ledger = replace(ledger, scores_NC=6 * ledger.scores_NC - 3)
    ledger.truths_NC[:, 2] = 0  # scikit-learn then counts an F1 of 0
    got = published(ledger, scaling=scaling)
    truth, score = ledger.truths_NC, scale(ledger.scores_NC)
    decided = score > 0.5
    expected = {
        "macro_f1": metrics.f1_score(truth, decided, average="macro", zero_division=0),
        "exact_match": metrics.accuracy_score(truth, decided),
        "lrap": metrics.label_ranking_average_precision_score(truth, score),
        "coverage_error": metrics.coverage_error(truth, score),
    }
    assert {name for name, label in got if not label} == set(expected)
    for name, value in expected.items():
        assert got[name, ""].value == pytest.approx(value, abs=1e-12), name
        assert got[name, ""].protocol == "iu_xray_published/v1"
    assert got["f1", "label2"].value == 0


def test_min_max_always_calls_the_top_label_and_never_the_bottom_one(make_ledger):
    ledger = make_ledger(c=5, ties=False, method="zero_shot")
    empty = replace(ledger, truths_NC=np.zeros_like(ledger.truths_NC))
    assert published(empty)["exact_match", ""].value == 0
    full = replace(ledger, truths_NC=np.ones_like(ledger.truths_NC))
    assert published(full)["exact_match", ""].value == 0


def test_probabilities_are_cut_as_they_are(make_ledger):
    got = published(make_ledger(method="linear_probe"))
    assert got["macro_f1", ""].note == "probabilities, cut at 0.5"


def test_only_fully_known_cases_count(make_ledger):
    got = published(make_ledger(unknown=0.2, method="zero_shot"))
    full = (~np.isnan(make_ledger(unknown=0.2).truths_NC).any(1)).sum()
    assert got["macro_f1", ""].n == got["lrap", ""].n == full


def test_wrong_settings_say_what_is_right(make_ledger):
    with pytest.raises(ChoiceError, match="min_max"):
        published(make_ledger(), scaling="minmax")
    with pytest.raises(DataError, match="multilabel"):
        published(make_ledger(task="multiclass"))


def test_no_fully_known_case_gives_nan(make_ledger):
    got = published(make_ledger(unknown=1.0))
    assert all(np.isnan(score.value) for score in got.values())
