import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.images import SUFFIXES


def test_folders_are_splits_and_classes(layout):
    cases = read("folder", layout("folder"))
    assert len(cases) == 12
    assert cases.task == "multiclass"
    assert cases.label_names == ("benign", "malignant")
    assert cases.patient_ids is None
    for case in cases:
        split, label, _ = case.case_id.split("/")
        assert case.split == {"val": "validation"}.get(split, split)
        assert case.labels == {"benign": label == "benign", "malignant": label == "malignant"}


def test_without_split_folders_there_are_no_splits(layout):
    cases = read("folder", layout("folder") / "train")
    assert cases.splits is None
    np.testing.assert_array_equal(cases.labels_NC.sum(0), [2, 2])


def test_a_class_that_one_split_lacks_is_still_a_class(layout, png):
    root = layout("folder")
    png(root / "test" / "normal" / "n.png")
    cases = read("folder", root)
    assert cases.label_names == ("benign", "malignant", "normal")
    assert (cases.labels_NC.sum(1) == 1).all()


def test_images_without_class_folders_have_no_labels(tmp_path, png):
    for name in ("a.png", "b.JPG"):
        png(tmp_path / "x.png").rename(tmp_path / name)
    cases = read("folder", tmp_path)
    assert cases.label_names == ()
    assert cases.case_ids.tolist() == ["a.png", "b.JPG"]


def test_what_is_not_a_case_is_listed(layout, png):
    root = layout("folder")
    png(root / "train" / "benign" / "train_benign (0)_mask.png")
    png(root / "train" / "loose.png")
    (root / "train" / "benign" / "notes.txt").write_text("x")
    (root / "train" / "benign" / "empty.png").touch()
    (root / "train" / "benign" / ".DS_Store").touch()
    (root / "train" / "linked").symlink_to(root / "test")
    cases = read("folder", root)
    assert len(cases) == 12
    assert {s.name: s.reason for s in cases.skipped} == {
        "train/benign/train_benign (0)_mask.png": "left out by exclude='*_mask*'",
        "train/loose.png": "lies beside the class folders, in none",
        "train/benign/notes.txt": f"not an image by its name ({', '.join(SUFFIXES)})",
        "train/benign/empty.png": "empty file (0 bytes)",
        "train/linked": "a symbolic link to a folder, which is not followed",
    }


def test_masks_are_kept_when_asked_for(layout, png):
    root = layout("folder")
    png(root / "train" / "benign" / "x_mask.png")
    assert len(read("folder", root, exclude="")) == 13


def test_a_folder_beside_splits_that_is_none_is_an_error(layout, png):
    root = layout("folder")
    png(root / "masks" / "m.png")
    with pytest.raises(DataError, match="'masks' lies beside splits"):
        read("folder", root)


def test_patients_come_from_a_pattern(layout):
    cases = read("folder", layout("folder"), patient_id=r"([a-z]+) \(")
    assert set(cases.patient_ids) == {"benign", "malignant"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "not a regular"), ("[0-9]+", "no group"), ("(x{9})", "finds no patient in 'test/")],
)
def test_a_pattern_that_cannot_work_says_why(layout, pattern, message):
    with pytest.raises(DataError, match=message):
        read("folder", layout("folder"), patient_id=pattern)


def test_busi_reads_without_its_masks(real_data):
    cases = read("folder", real_data("busi"))
    assert cases.label_names == ("benign", "malignant", "normal")
    assert not any("_mask" in case_id for case_id in cases.case_ids)
    assert all("_mask" in skipped.name for skipped in cases.skipped)
