"""A contract over every measure by name."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.evaluation import MEASURES, classification
from vesalius.evaluation.decisions import top_label
from vesalius.evaluation.measures import MULTICLASS_ONLY, OF_DECISIONS, OF_RANKS

TASKS = ("multilabel", "multiclass")
CASES = [
    (name, task)
    for name in sorted(MEASURES)
    for task in TASKS
    if task == "multiclass" or name not in MULTICLASS_ONLY
]


def inputs(name, ledger):
    if name not in OF_DECISIONS:
        return ledger.truths_NC, ledger.scores_NC
    if ledger.task == "multiclass":
        return ledger.truths_NC, top_label(ledger.scores_NC).astype(float)
    return ledger.truths_NC, (ledger.scores_NC >= 0.5).astype(float)


def test_the_families_are_of_known_measures():
    assert set(MEASURES) >= (OF_DECISIONS | OF_RANKS | MULTICLASS_ONLY)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_weights_stand_for_repeated_cases(make_ledger, name, task):
    truths_NC, scores_NC = inputs(name, make_ledger(n=50, task=task, unknown=0.1))
    weights_RN = np.random.default_rng(99).integers(0, 4, (5, 50)).astype(float)
    got_R = MEASURES[name](truths_NC, scores_NC, weights_RN)
    assert got_R.shape == (5,)
    for value, weights_N in zip(got_R, weights_RN, strict=True):
        rows = np.repeat(np.arange(50), weights_N.astype(int))
        assert value == pytest.approx(
            MEASURES[name](truths_NC[rows], scores_NC[rows])[0], abs=1e-12
        )


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_order_of_cases_does_not_matter(make_ledger, name, task):
    truths_NC, scores_NC = inputs(name, make_ledger(n=50, task=task))
    rows = np.random.default_rng(1).permutation(50)
    (value,), (again,) = (
        MEASURES[name](truths_NC, scores_NC),
        MEASURES[name](truths_NC[rows], scores_NC[rows]),
    )
    assert again == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_is_the_number_that_classification_gives(make_ledger, name, task):
    ledger = make_ledger(task=task, unknown=0.1)
    scores = {s.name: s.value for s in classification(ledger, replicates=0) if not s.label}
    if name not in scores:
        assert task == "multiclass"
        return
    if task == "multiclass" and name in {"brier", "ece"}:
        return  # there of all classes together and of the top label; here of each class
    assert MEASURES[name](*inputs(name, ledger))[0] == pytest.approx(scores[name], abs=1e-12)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_nothing_known_gives_nan_and_no_warning(make_ledger, name):
    ledger = make_ledger(n=10)
    nothing = replace(ledger, truths_NC=np.full_like(ledger.truths_NC, np.nan))
    assert np.isnan(MEASURES[name](*inputs(name, nothing), np.ones((3, 10)))).all()


@pytest.mark.parametrize("name", sorted(OF_RANKS))
def test_measures_of_order_ignore_monotone_changes(make_ledger, name):
    ledger = make_ledger()
    warped_NC = ledger.scores_NC**3 * [1, 10, 100, 1000] - 5
    assert MEASURES[name](ledger.truths_NC, warped_NC) == MEASURES[name](
        ledger.truths_NC, ledger.scores_NC
    )
