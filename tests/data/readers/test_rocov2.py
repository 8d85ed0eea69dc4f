import pytest

from vesalius.core import DataError
from vesalius.data import read


def test_captions_splits_and_concepts_are_read(layout):
    cases = read("rocov2", layout("rocov2"))
    assert cases.case_ids[1] == "ROCOv2_2023_valid_000002"
    assert cases.texts.tolist() == ["A CT, train.", "A CT, valid.", "A CT, test."]
    assert cases.splits.tolist() == ["train", "validation", "test"]
    assert cases.attributes["cuis"].tolist() == ["C0040405|C0817096"] * 3
    assert cases.images.name(0) == "train/ROCOv2_2023_train_000001.jpg"
    assert cases.patient_ids is None


def test_manual_concepts_are_an_attribute_where_they_are(layout, table):
    root = layout("rocov2")
    table(root / "test_concepts_manual.csv", ("ID", "CUIs"), ("ROCOv2_2023_test_000003", "C1"))
    assert read("rocov2", root).attributes["manual_cuis"].tolist() == ["", "", "C1"]


@pytest.mark.parametrize("place", ["{0}_images/{0}", "{0}_images"])
def test_images_may_lie_where_the_archives_unpack_to(layout, place):
    root = layout("rocov2")
    for split in ("train", "valid", "test"):
        (root / place.format(split)).parent.mkdir(exist_ok=True)
        (root / split).rename(root / place.format(split))
    assert len(read("rocov2", root)) == 3


def test_one_split_is_enough_and_concepts_are_not_needed(layout):
    root = layout("rocov2")
    for path in (*root.glob("*_concepts.csv"), *root.glob("t*_captions.csv")):
        path.unlink()
    cases = read("rocov2", root)
    assert cases.splits.tolist() == ["validation"]
    assert dict(cases.attributes) == {}


def test_a_missing_image_is_listed(layout):
    root = layout("rocov2")
    (root / "valid" / "ROCOv2_2023_valid_000002.jpg").unlink()
    assert [s.name for s in read("rocov2", root).skipped] == [
        "valid/ROCOv2_2023_valid_000002.jpg"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "header", "column"),
    [("valid_captions.csv", ("ID", "caption"), "Caption"),
     ("valid_captions.csv", ("image", "Caption"), "ID"),
     ("train_concepts.csv", ("ID", "CUI"), "CUIs")],
)  # fmt: skip
def test_a_missing_column_is_named(layout, table, file, header, column):
    root = layout("rocov2")
    table(root / file, header, ("a", "b"))
    with pytest.raises(DataError, match=f"{file} has no column '{column}'"):
        read("rocov2", root)


def test_an_image_outside_the_root_is_refused(layout, table):
    root = layout("rocov2")
    table(root / "valid_captions.csv", ("ID", "Caption"), ("../../a", "b"))
    with pytest.raises(DataError, match="leads out of the folder"):
        read("rocov2", root)
