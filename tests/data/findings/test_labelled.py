"""Labels from texts beside labels that exist; the table and the evidence."""

import csv
import io

import numpy as np
import pytest

from vesalius.core import CaseSet, ChoiceError, DataError
from vesalius.data import read
from vesalius.data.findings import label_reports, with_findings
from vesalius.data.findings.labelled import counts, evidence_csv
from vesalius.data.tables.vocabulary import CHEXPERT

TEXTS = ["Small effusion. No pneumothorax.", "Possible pneumonia.", None]


def cases(**changed):
    columns = {
        "labels_NC": np.array([[0.0], [1.0], [np.nan]]), "label_names": ("Pleural Effusion",),
        "texts": np.array(TEXTS, dtype=object),
    }  # fmt: skip
    images = read("phantom", n=3).images
    return CaseSet(case_ids=np.array(["a", "b", "c"]), images=images, **(columns | changed))


def column(labelled, name):
    return labelled.labels_NC[:, labelled.label_names.index(name)]


def test_labels_that_exist_are_taken_as_they_are():
    labelled = with_findings(cases())
    np.testing.assert_array_equal(column(labelled, "Pleural Effusion"), [0, 1, np.nan])
    np.testing.assert_array_equal(column(labelled, "Pneumothorax"), [0, np.nan, np.nan])
    assert set(labelled.label_names) == set(CHEXPERT)


@pytest.mark.parametrize(("policy", "value"), [("unknown", np.nan), ("present", 1), ("absent", 0)])
def test_the_doubtful_become_what_is_asked(policy, value):
    labelled = with_findings(cases(), uncertain=policy)
    np.testing.assert_array_equal(column(labelled, "Pneumonia"), [np.nan, value, np.nan])


def test_cases_without_texts_and_unknown_policies_are_refused():
    with pytest.raises(DataError, match="no case has a text"):
        with_findings(cases(texts=None))
    with pytest.raises(ChoiceError, match="uncertain"):
        with_findings(cases(), uncertain="maybe")
    alone = np.array([[1.0, 0.0]] * 3)
    with pytest.raises(DataError, match="exactly one"):
        with_findings(cases(labels_NC=alone, label_names=("x", "y"), task="multiclass"))


def test_counts_add_up_to_the_reports():
    for own in counts(label_reports(TEXTS)):
        assert own.present + own.absent + own.uncertain + own.unknown == len(TEXTS)


def test_the_evidence_is_a_row_for_each_mention():
    rows = list(csv.DictReader(io.StringIO(evidence_csv(["a", "b", "c"], TEXTS))))
    assert [(row["case_id"], row["finding"], row["state"]) for row in rows] == [
        ("a", "Pleural Effusion", "1"), ("a", "Pneumothorax", "0"), ("b", "Pneumonia", "-1"),
    ]  # fmt: skip
    assert rows[1]["sentence"] == "No [pneumothorax]."
    assert TEXTS[0][int(rows[0]["start"]) : int(rows[0]["end"])] == rows[0]["words"]


def test_open_i_agrees_with_its_coding(real_data):
    root = real_data("iu_xray")
    with (root / "indiana_reports.csv").open(encoding="utf-8") as opened:
        reports = [row for row in csv.DictReader(opened) if row["Problems"] == "normal"][:200]
    labels_NF = label_reports([f"{row['findings']} {row['impression']}" for row in reports])
    assert np.nanmean(labels_NF[:, 0] == 1) > 0.9
