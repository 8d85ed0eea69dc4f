import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read
from vesalius.data.tables.vocabulary import CHEXPERT


def test_findings_patients_splits_and_attributes_are_read_by_name(layout):
    cases = read("chexpert", layout("chexpert"))
    assert cases.case_ids[0] == "train/patient00001/study1/view1_frontal.jpg"
    assert cases.label_names == CHEXPERT
    assert cases.splits.tolist() == ["train", "train", "validation"]
    assert cases.patient_ids.tolist() == ["patient00001", "patient00002", "patient64541"]
    assert cases.attributes["study"][1] == "patient00002/study2"
    assert cases.attributes["age"].tolist() == [68.0, 87.0, 73.0]
    assert cases.attributes["sex"].tolist() == ["Female", "Male", "Male"]
    assert cases.attributes["direction"].tolist() == ["AP", "PA", "AP"]


def test_uncertain_and_blank_are_unknown(layout):
    first = read("chexpert", layout("chexpert"))[0].labels
    assert {name: state for name, state in first.items() if state is not None} == {
        "Edema": True, "Fracture": False
    }  # fmt: skip


@pytest.mark.parametrize(("uncertain", "state"), [("ignore", None), ("ones", True),
                                                  ("zeros", False)])  # fmt: skip
@pytest.mark.parametrize(("blank", "unsaid"), [("unknown", None), ("zeros", False)])
def test_the_policies_of_uncertain_and_blank_do_not_mix(layout, uncertain, state, blank, unsaid):
    first = read("chexpert", layout("chexpert"), uncertain=uncertain, blank=blank)[0].labels
    assert first["Pneumonia"] is state
    assert first["Cardiomegaly"] is unsaid
    assert (first["Edema"], first["Fracture"]) == (True, False)


@pytest.mark.parametrize(("projection", "n"), [("Frontal", 3), ("Lateral", 1), ("all", 4)])
def test_the_projection_is_chosen(layout, projection, n):
    cases = read("chexpert", layout("chexpert"), projection=projection)
    assert len(cases) == n
    assert cases.skipped == ()


@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0/", "CheXpert-v1.0-small/"])
def test_the_prefix_of_the_paths_may_be_any(layout, prefix):
    root = layout("chexpert")
    for table in root.glob("*.csv"):
        table.write_text(table.read_text().replace("CheXpert-v1.0-small/", prefix))
    assert read("chexpert", root).images.name(0).startswith("train/patient00001/")


def test_the_root_may_be_the_folder_around_the_set(layout, tmp_path):
    (tmp_path / "data").mkdir()
    layout("chexpert").rename(tmp_path / "data" / "CheXpert-v1.0-small")
    assert len(read("chexpert", tmp_path / "data")) == 3


def test_the_labels_of_the_test_set_have_no_columns_of_persons(layout, table):
    root = layout("chexpert")
    path = "test/patient64741/study1/view1_frontal.jpg"
    table(root / "test_labels.csv", ("Path", *CHEXPERT), (path, *[0.0] * 13, 1.0))
    (root / path).parent.mkdir(parents=True)
    (root / "valid/patient64541/study1/view1_frontal.jpg").rename(root / path)
    cases = read("chexpert", root)
    test = cases.split("test")[0]
    assert test.labels["Support Devices"] is True
    assert np.isnan(test.attributes["age"])
    assert test.attributes["view"] == "Frontal"
    assert [s.name for s in cases.skipped] == ["valid/patient64541/study1/view1_frontal.jpg"]


@pytest.mark.parametrize("setting", [{"projection": "frontal"}, {"uncertain": "ignored"},
                                     {"blank": "zero"}])  # fmt: skip
def test_a_wrong_choice_gets_the_nearest(layout, setting):
    with pytest.raises(ChoiceError, match="did you mean '(Frontal|ignore|zeros)'"):
        read("chexpert", layout("chexpert"), **setting)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Edema", "Oedema", "valid.csv has no column 'Edema'"),
        ("Path,", "path,", "valid.csv has no column 'Path'"),
        (",1.0,", ",2.0,", "valid.csv, line 2: label 'Cardiomegaly' is '2.0'"),
        ("patient64541", "person64541", "valid.csv, line 2: .* names no patient and study"),
        ("CheXpert-v1.0-small/valid", "../..", "leads out of the folder"),
    ],
)
def test_a_wrong_table_is_named(layout, old, new, message):
    root = layout("chexpert")
    (root / "valid.csv").write_text((root / "valid.csv").read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read("chexpert", root)


def test_missing_and_empty_films_are_listed(layout):
    root = layout("chexpert")
    first, last = root / read("chexpert", root).images.name(0), root / "valid"
    first.write_bytes(b"")
    (last / "patient64541/study1/view1_frontal.jpg").unlink()
    cases = read("chexpert", root)
    assert [s.reason for s in cases.skipped] == ["empty file (0 bytes)", "no such file"]
