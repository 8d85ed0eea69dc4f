"""The words above a table are true of the ledgers that it shows."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import Predictions, Score
from vesalius.reporting import Table
from vesalius.studies.classification import score_ledgers
from vesalius.studies.summary import answer

N = 60


def ledger(labels=("Edema", "Mass"), *, splits=None, seed=0):
    rng = np.random.default_rng(seed)
    truths_NC = (rng.random((N, len(labels))) < 0.4).astype(float)
    scores_NC = rng.random(truths_NC.shape)
    ids = np.array([f"{i:02}" for i in range(N)])
    return Predictions(scores_NC, truths_NC, labels, ids, splits=splits)


def split(*names):
    return np.array([names[i % len(names)] for i in range(N)])


def scored(ledgers):
    return score_ledgers(ledgers, protocols=("sound",), replicates=50, seed=0)


def columns_of(section):
    [table] = [block for block in section.blocks if isinstance(block, Table)]
    return [getattr(column, "name", column) for column in table.columns], table


def test_splits_are_named_only_where_there_are_some():
    first = scored({"m": ledger(splits=split("validation", "test"))}).sections[0]
    assert first.why.startswith("The test split alone. Thresholds were chosen")
    first = scored({"m": ledger()}).sections[0]
    assert "The test split" not in first.why
    assert "No validation rows: probabilities are cut at 0.5" in first.why


def test_the_ledger_without_splits_is_named_among_others():
    both = {"whole": ledger(), "parted": ledger(splits=split("validation", "test"))}
    both["parted"] = replace(both["parted"], splits=split("test", "test"))
    why = scored(both).sections[0].why
    assert "All rows of whole:" in why


@pytest.mark.parametrize(("splits", "cut"), [(split("validation", "test"), True), (None, False)])
def test_sensitivity_and_specificity_stand_on_the_page_with_their_thresholds(splits, cut):
    sections = {s.title: s for s in scored({"m": ledger(splits=splits)}).sections}
    names, table = columns_of(sections["What is found, and what is missed?"])
    assert names[3:] == ["Sensitivity", "Specificity", *(["Threshold"] if cut else [])]
    assert all(isinstance(cell, Score) for cell in table.rows[0].cells[3:])


def test_one_label_has_no_dashes_where_only_several_have_numbers():
    names, _ = columns_of(scored({"m": ledger(("Edema",))}).sections[0])
    assert not {"Exact match", "LRAP", "Coverage error"} & set(names)


def test_a_ledger_without_positives_says_why_it_has_no_number():
    none = replace(ledger(), truths_NC=np.zeros((N, 2)))
    said = answer(scored({"m": none}).scores)
    assert said.startswith("No macro AUROC could be measured: ")
    assert "no positive case" in said


@pytest.mark.parametrize("splits", [None, split("validation", "test")])
def test_a_temperature_is_spoken_of_only_where_one_was_chosen(splits):
    last = scored({"m": ledger(splits=splits)}).sections[-1]
    assert last.title == "Can the scores be taken as probabilities?"
    assert ("temperature" in last.why) == (splits is not None)


def test_a_difference_bears_the_remarks_on_its_p_value_but_not_its_own_name():
    truth = ledger()
    right = replace(truth, scores_NC=0.9 * truth.truths_NC + 0.05)
    found = scored({"right": right, "guess": truth})
    [score] = found.scores["guess − right"]
    assert score.note == (
        "patients unknown: cases treated as independent; p is as small as 10,000 swaps allow"
    )
