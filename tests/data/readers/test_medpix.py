import json

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read

HEADER = ("case_id", "image", "split", "caption", "modality", "protocol", "plane", "age", "sex",
          "location", "location_category")  # fmt: skip


@pytest.fixture
def captions(tmp_path, table, png):
    rows = [
        ("MPX1", "images/a.png", "train", "A cyst.", "CT", "CT - IV", "Axial", 14, "female", "x",
         "Head"),
        ("MPX1", "images/b.png", "train", "A cyst.", "CT", "CT - IV", "Axial", 14, "female", "x",
         "Head"),
        ("MPX2", "images/c.png", "dev", "N/A", "MR", "MR - T1", "Axial", "N/A", "N/A", "y",
         "Thorax"),
    ]  # fmt: skip
    for row in rows:
        png(tmp_path / row[1])
    table(tmp_path / "captions.csv", HEADER, *rows)
    return tmp_path


def change(root, entry, key, value):
    """Change one entry of the JSON, or take the key away where the value is None."""
    path = root / "Descriptions.json"
    entries = json.loads(path.read_text())
    entries[entry][key] = value
    if value is None:
        del entries[entry][key]
    path.write_text(json.dumps(entries))


def test_the_published_json_is_read_by_name(layout):
    cases = read("medpix", layout("medpix"))
    assert cases.case_ids[0] == "images/MPX1009_synpic1.png"
    assert cases.patient_ids.tolist() == ["MPX1009", "MPX1009", "MPX1024", "MPX1031"]
    assert cases.texts.tolist() == ["A large prostate.\n\nNo mass."] * 2 + ["A mass.", None]
    assert cases.label_names == ("Abdomen", "Head", "Thorax")
    assert cases.task == "multiclass"
    np.testing.assert_array_equal(cases.labels_NC.argmax(1), [0, 0, 2, 1])
    np.testing.assert_array_equal(cases.attributes["age"], [73, 73, 73, np.nan])
    assert cases.attributes["sex"].tolist() == ["male", "male", "male", ""]
    assert cases.attributes["modality"].tolist() == ["CT", "CT", "MR", "CT"]
    assert cases.attributes["protocol"][0] == "CT - noncontrast"
    assert cases.attributes["diagnosis"].tolist() == [
        "Large prostate", "Large prostate", "Carcinoma", ""
    ]  # fmt: skip
    assert cases.splits is None


def test_the_modality_can_be_the_label(layout):
    cases = read("medpix", layout("medpix"), labels="modality")
    assert cases.label_names == ("CT", "MR")
    assert cases.labels_NC[:, 1].tolist() == [0, 0, 1, 0]
    with pytest.raises(ChoiceError, match="choose one of location_category, modality"):
        read("medpix", layout("medpix"), labels="plane")


def test_the_csv_is_read_as_the_json_is(captions):
    cases = read("medpix", captions)
    assert cases.case_ids.tolist() == ["images/a.png", "images/b.png", "images/c.png"]
    assert cases.patient_ids.tolist() == ["MPX1", "MPX1", "MPX2"]
    assert cases.splits.tolist() == ["train", "train", "validation"]
    assert cases.texts.tolist() == ["A cyst.", "A cyst.", None]
    assert cases.label_names == ("Head", "Thorax")
    np.testing.assert_array_equal(cases.attributes["age"], [14, 14, np.nan])


@pytest.mark.parametrize("place", [".", "splitted_dataset"])
def test_the_published_lists_give_the_splits(layout, place):
    root = layout("medpix")
    (root / place).mkdir(exist_ok=True)
    for name, cases in {"train_1": ["MPX1009"], "train_2": [], "dev": ["MPX1024"]}.items():
        lines = [json.dumps({"U_id": case, "image": f"{case}_1"}) for case in cases]
        if lines:
            (root / place / f"descriptions_{name}.jsonl").write_text("\n".join(lines))
    assert read("medpix", root).splits.tolist() == ["train", "train", "validation", ""]


def test_a_case_in_two_splits_is_an_error(layout):
    root = layout("medpix")
    for name in ("train", "test"):
        (root / f"descriptions_{name}.jsonl").write_text('{"U_id": "MPX1009"}')
    with pytest.raises(DataError, match="line 1: case 'MPX1009' is also in train"):
        read("medpix", root)


def test_the_other_spelling_and_jpeg_images_are_read(layout):
    root = layout("medpix")
    (root / "Descriptions.json").rename(root / "Description.json")
    (root / "images" / "MPX1024_synpic3.png").rename(root / "images" / "MPX1024_synpic3.jpg")
    cases = read("medpix", root)
    assert cases.images.name(2) == "images/MPX1024_synpic3.jpg"
    assert cases.skipped == ()


def test_an_unknown_category_is_unknown_in_all(layout):
    root = layout("medpix")
    change(root, 0, "Location Category", None)
    assert np.isnan(read("medpix", root).labels_NC[0]).all()


def test_a_missing_image_is_listed(layout):
    root = layout("medpix")
    (root / "images" / "MPX1009_synpic2.png").unlink()
    cases = read("medpix", root)
    assert len(cases) == 3
    assert cases.skipped[0].name == "images/MPX1009_synpic2.png"


def test_an_image_outside_the_root_is_refused(layout):
    root = layout("medpix")
    change(root, 0, "image", "../../secret")
    with pytest.raises(DataError, match="leads out of the folder"):
        read("medpix", root)


@pytest.mark.parametrize("column", [name for name in HEADER if name != "split"])
def test_a_missing_column_is_named(captions, column):
    path = captions / "captions.csv"
    header, _, rows = path.read_text().partition("\n")
    renamed = ["x" if name == column else name for name in header.strip().split(",")]
    path.write_text(",".join(renamed) + "\n" + rows)
    with pytest.raises(DataError, match=rf"captions\.csv has no column '{column}'"):
        read("medpix", captions)


def test_a_missing_key_is_named(layout):
    root = layout("medpix")
    path = root / "Descriptions.json"
    path.write_text(path.read_text().replace('"Caption"', '"caption"'))
    with pytest.raises(DataError, match=r"no column 'Description\.Caption'"):
        read("medpix", root)


def test_the_real_captions_have_their_known_counts(real_data):
    cases = read("medpix", real_data("medpix"))
    assert len(cases) == 1850
    assert len(set(cases.patient_ids)) == 602
    assert (cases.splits == "train").sum() == 1653
    assert dict(zip(cases.label_names, cases.labels_NC.sum(0), strict=True)) == {
        "Abdomen": 287,
        "Head": 808,
        "Reproductive and Urinary System": 147,
        "Spine and Muscles": 315,
        "Thorax": 293,
    }
    assert cases.skipped == ()
