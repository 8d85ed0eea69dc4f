"""VinDr-CXR."""

import pytest

from vesalius.core import Box, DataError
from vesalius.data import read


def test_any_radiologists_finding_counts_and_all_boxes_are_kept(layout):
    cases = read("vindr_cxr", layout("vindr_cxr"))
    assert cases.label_names == ("Cardiomegaly", "Pleural effusion")
    assert cases.labels_NC.tolist() == [[1, 1], [0, 0]]
    assert cases.attributes["readers"].tolist() == [2, 2]
    assert cases.splits is None
    assert cases[0].boxes == (
        Box("Cardiomegaly", 10, 10, 20, 5),
        Box("Cardiomegaly", 11, 10, 20, 5),
        Box("Pleural effusion", 0, 0, 40, 20),
    )
    assert cases[1].boxes == ()


def test_smaller_copies_without_their_originals_sizes_lose_boxes_that_do_not_fit(layout):
    root = layout("vindr_cxr")
    (root / "train_meta.csv").unlink()
    cases = read("vindr_cxr", root)
    assert cases[0].boxes == ()
    assert len(cases.skipped) == 3
    assert "leaves its image of 40×20 pixels" in cases.skipped[0].reason


def test_two_tables_are_two_splits(layout, table, png):
    root = layout("vindr_cxr")
    (root / "annotations").mkdir()
    (root / "train.csv").rename(root / "annotations" / "annotations_train.csv")
    header = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    table(root / "annotations" / "annotations_test.csv", header, ("cc", "Nodule/Mass", 1, 2, 3, 4))
    png(root / "test" / "cc.png")
    cases = read("vindr_cxr", root)
    assert cases.splits.tolist() == ["train", "train", "test"]
    assert cases[2].boxes == (Box("Nodule/Mass", 1, 2, 2, 2),)
    assert cases.attributes["readers"].tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("R1,20,", "R1,wide,", "line 2: a box is 4 numbers"),
        ("R1,20,", "R1,,", "line 2: a box is 4 numbers"),
        ("x_min", "left", "no column 'x_min'"),
    ],
)
def test_a_row_that_is_wrong_is_named(layout, old, new, message):
    root = layout("vindr_cxr")
    path = root / "train.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read("vindr_cxr", root)
