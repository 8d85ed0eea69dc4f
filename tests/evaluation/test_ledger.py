"""Ledgers in files."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesalius.core import DataError, Predictions, VesaliusError
from vesalius.evaluation import classification, read_ledger, read_ledgers, write_ledger

SUFFIXES = ["csv", "tsv", "parquet"]


def same(first, second):
    for name in ("scores_NC", "truths_NC", "case_ids", "patient_ids", "splits"):
        mine, theirs = getattr(first, name), getattr(second, name)
        if mine is None:
            assert theirs is None, name
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
    for name in ("label_names", "task", "method", "run", "seed"):
        assert getattr(first, name) == getattr(second, name), name
    assert list(first.attributes) == list(second.attributes)
    for name, values in first.attributes.items():
        np.testing.assert_array_equal(values, second.attributes[name])
        assert values.dtype.kind == second.attributes[name].dtype.kind


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_back_number_for_number(make_ledger, tmp_path, suffix):
    ledger = make_ledger(n=30, ties=False, unknown=0.3, method="probe", run="r1", seed=7)
    scores_NC = ledger.scores_NC.copy()
    scores_NC[3, 1] = np.nan
    ledger = replace(
        ledger,
        scores_NC=scores_NC,
        splits=np.repeat(["validation", "test"], 15),
        attributes={
            "age": np.arange(30),
            "dose": np.linspace(0, 1, 30) / 3,
            "site": np.array(["a, b", 'quoted "c"', "line\nbreak"] * 10),
            "smoker": np.arange(30) % 2 == 0,
            "ward": np.array(["007", "12", "3"] * 10),
        },
    )
    path = write_ledger(tmp_path / f"ledger.{suffix}", ledger)
    same(ledger, read_ledger(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_ledger_without_patients_splits_or_attributes_comes_back_without(
    make_ledger, tmp_path, suffix
):
    ledger = make_ledger(n=5, per_patient=0, task="multiclass")
    same(ledger, read_ledger(write_ledger(tmp_path / f"ledger.{suffix}", ledger)))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ids=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
        min_size=1,
        max_size=6,
        unique=True,
    ),
    score=st.floats(allow_nan=True, allow_infinity=False),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_ids_and_scores_survive_the_round_trip(tmp_path, ids, score, suffix):
    n = len(ids)
    ledger = Predictions(np.full((n, 1), score), np.ones((n, 1)), ("x",), np.array(ids))
    same(ledger, read_ledger(write_ledger(tmp_path / f"ledger.{suffix}", ledger)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_methods_lie_in_one_file(make_ledger, tmp_path, suffix):
    probe, knn = make_ledger(n=9, method="probe"), make_ledger(n=6, c=2, seed=1, method="knn")
    path = write_ledger(tmp_path / f"both.{suffix}", [probe, knn])
    both = read_ledgers(path)
    assert list(both) == ["probe", "knn"]
    same(both["knn"], knn)
    same(read_ledger(path, method="probe"), probe)
    with pytest.raises(DataError, match=r"choose one of 'probe', 'knn' with method="):
        read_ledger(path)
    with pytest.raises(DataError, match="no method 'probes'; choose one of probe, knn"):
        read_ledger(path, method="probes")


def test_runs_and_seeds_of_one_method_are_told_apart(make_ledger, tmp_path):
    seeds = [replace(make_ledger(n=4), method="probe", seed=s) for s in (0, 1)]
    both = read_ledgers(write_ledger(tmp_path / "seeds.csv", seeds))
    assert list(both) == ["probe run= seed=0", "probe run= seed=1"]
    assert [each.seed for each in both.values()] == [0, 1]


OTHER_TOOL = """image,finding,prob,y,patient
scan_1.png,Edema,0.91,1,p1
scan_1.png,Effusion,0.15,,p1
scan_2.png,Edema,0.2,0.0,p2
scan_2.png,Effusion,1e-3,False,p2
scan_3.png,Effusion,.7,True,p2
"""
WORDS = {
    "case_id": "image",
    "label": "finding",
    "score": "prob",
    "truth": "y",
    "patient_id": "patient",
}


def test_another_tools_file_is_read_by_naming_its_columns(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(OTHER_TOOL, encoding="utf-8-sig")
    ledger = read_ledger(path, columns=WORDS)
    assert ledger.label_names == ("Edema", "Effusion")
    assert ledger.case_ids.tolist() == ["scan_1.png", "scan_2.png", "scan_3.png"]
    np.testing.assert_array_equal(ledger.scores_NC, [[0.91, 0.15], [0.2, 0.001], [np.nan, 0.7]])
    np.testing.assert_array_equal(ledger.truths_NC, [[1, np.nan], [0, 0], [np.nan, 1]])
    assert ledger.patient_ids.tolist() == ["p1", "p2", "p2"]
    assert {s.name: s.value for s in classification(ledger, replicates=9)}["macro_auroc"] == 1


HEAD = "case_id,label,score,truth"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEAD, "no rows"),
        ("case_id,label,scores,truth\na,x,1,1", "no column 'score'; did you mean 'scores'?"),
        (f"{HEAD}\na,x,high,1", "row 2, column 'score': 'high' is not a number"),
        (f"{HEAD}\na,x,inf,1", "row 2, column 'score': 'inf' is not finite"),
        (f"{HEAD}\na,x,0.5,1\nb,x,0.5,-1", r"row 3, column 'truth': '-1' \(uncertain\).*1, 0 or"),
        (f"{HEAD}\na,x,0.5,0.5", "row 2, column 'truth': '0.5' is not a truth"),
        (f"{HEAD}\na,x,0.5,maybe", "row 2, column 'truth': 'maybe' is not a truth"),
        (f"{HEAD}\na,x,0.5,1\na,x,0.6,1", "row 3, column 'case_id': 'a' has label 'x' for the sec"),
        (f"{HEAD}\n,x,0.5,1", "row 2, column 'case_id': '' is blank"),
        (f"{HEAD}\na,x,0.5", "row 2: 3 values for 4 columns"),
        (f"{HEAD},truth\na,x,0.5,1,1", "column name occurs twice"),
        (f"{HEAD},patient_id\na,x,0.5,1,p\na,y,0.5,1,q", "row 3, column 'patient_id': 'q' differs"),
        (f"{HEAD},patient_id\na,x,0.5,1,p\nb,x,0.5,1,", "row 3, column 'patient_id': '' is blank"),
        (f"{HEAD},loss\na,x,0.5,1,3\na,y,0.5,1,4", "column 'loss': '4' differs.*attributes="),
        (f"{HEAD},seed\na,x,0.5,1,one", "row 2, column 'seed': 'one' is not a whole number"),
        (
            f"{HEAD},split\na,x,0.5,1,test\nb,x,0.5,1,tset",
            "row 3, column 'split': 'tset' is no split; choose one of train, .*test",
        ),
        (f"{HEAD},task\na,x,0.5,1,multi_class", "unknown task 'multi_class'"),
    ],
)
def test_errors_name_file_row_column_and_value(tmp_path, text, message):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(VesaliusError, match=message) as caught:
        read_ledger(path)
    assert "wrong.csv" in str(caught.value) or "task" in message


def test_splits_are_read_by_any_of_their_names(tmp_path):
    path = tmp_path / "splits.csv"
    path.write_text(f"{HEAD},split\na,x,0.5,1,training\nb,x,0.5,1,Val\nc,x,0.5,1,Test\n")
    assert read_ledger(path).splits.tolist() == ["train", "validation", "test"]


def test_a_csv_may_be_parted_by_semicolons(tmp_path):
    path = tmp_path / "german.csv"
    path.write_text(f"{HEAD}\na,x,0.5,1\n".replace(",", ";"))
    assert read_ledger(path).scores_NC.tolist() == [[0.5]]


def test_columns_that_vary_within_a_case_can_be_left_out(tmp_path):
    path = tmp_path / "loss.csv"
    path.write_text(f"{HEAD},loss,site\na,x,0.5,1,3,s\na,y,0.5,1,4,s\n\n")
    assert list(read_ledger(path, attributes=["site"]).attributes) == ["site"]
    with pytest.raises(DataError, match="no attribute column 'ward'; choose from loss, site"):
        read_ledger(path, attributes=["ward"])
    with pytest.raises(DataError, match="unknown name 'image'"):
        read_ledger(path, columns={"image": "case_id"})


def test_files_that_are_no_ledgers_are_refused(make_ledger, tmp_path):
    for name in ("ledger.parquet", "ledger.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfePAR1 not really")
        with pytest.raises(DataError, match="is not"):
            read_ledger(tmp_path / name)
    with pytest.raises(DataError, match=r"\.csv, \.tsv or \.parquet, not \.xlsx"):
        read_ledger(tmp_path / "ledger.xlsx")
    with pytest.raises(DataError, match="cannot read"):
        read_ledger(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"\.csv"):
        write_ledger(tmp_path / "ledger.json", make_ledger(n=3))
    with pytest.raises(DataError, match="attribute 'score'"):
        write_ledger(
            tmp_path / "a.csv", replace(make_ledger(n=3), attributes={"score": np.ones(3)})
        )
    with pytest.raises(DataError, match="truth is 1, 0 or NaN"):
        write_ledger(tmp_path / "a.csv", replace(make_ledger(n=3), truths_NC=np.full((3, 4), -1.0)))


def test_a_failed_write_leaves_the_old_file(make_ledger, tmp_path):
    path = write_ledger(tmp_path / "ledger.csv", make_ledger(n=3))
    before = path.read_bytes()
    with pytest.raises(DataError):
        write_ledger(path, replace(make_ledger(n=3), truths_NC=np.full((3, 4), 2.0)))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.csv"]
