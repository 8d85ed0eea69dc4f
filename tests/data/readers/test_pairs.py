import numpy as np
import pytest

from vesalius.core import Box, DataError
from vesalius.data import read


def test_folders_give_splits_and_names_join_images_and_masks(layout):
    cases = read("pairs", layout("pairs"))
    assert cases.splits.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert cases.case_ids[2] == "val_images/val0.png"
    assert tuple(cases[3].boxes) == (Box("mask", 1, 1, 2, 3),)
    assert cases.label_names == ()
    assert cases.patient_ids is None


def test_the_target_is_named_by_the_setting(layout):
    assert list(read("pairs", layout("pairs"), target="tumour")[0].masks) == ["tumour"]


def test_plain_folders_are_the_training_part_beside_others(layout):
    root = layout("pairs")
    (root / "train_images").rename(root / "images")
    (root / "train_masks").rename(root / "masks")
    cases = read("pairs", root)
    assert cases.splits.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


def test_plain_folders_alone_have_no_splits(tmp_path, png, mask):
    png(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png")
    assert read("pairs", tmp_path).splits is None


def test_the_ending_may_differ_and_a_suffix_is_stated(tmp_path, png, mask):
    for name in ("a", "b.1"):
        png(tmp_path / "test_images" / f"{name}.bmp")
        mask(tmp_path / "test_masks" / f"{name}_mask.png", (1, 1, 1, 1))
    cases = read("pairs", tmp_path, suffix="_mask")
    assert [len(case.masks) for case in cases] == [1, 1]
    with pytest.raises(DataError, match="no mask is named as an image.*suffix="):
        read("pairs", tmp_path)


def test_what_has_no_partner_is_kept_or_listed(layout, mask):
    root = layout("pairs")
    (root / "val_masks" / "val0.png").unlink()
    mask(root / "val_masks" / "stray.png")
    (root / "val_masks" / "notes.txt").write_text("x")
    (root / "test_masks" / "test0.png").write_bytes(b"")
    cases = read("pairs", root)
    np.testing.assert_array_equal([len(case.masks) for case in cases], [1, 1, 0, 1, 0, 1])
    assert sorted(s.name for s in cases.skipped) == [
        "test_masks/test0.png",
        "val_masks/notes.txt",
        "val_masks/stray.png",
    ]


def test_images_without_a_folder_of_masks_are_an_error(layout):
    root = layout("pairs")
    (root / "val_masks").rename(root / "val_labels")
    with pytest.raises(DataError, match="has val_images/, but no val_masks/"):
        read("pairs", root)


def test_two_files_of_one_name_are_an_error(layout, png):
    root = layout("pairs")
    png(root / "test_masks" / "test0.bmp")
    with pytest.raises(DataError, match=r"test0\.bmp and test_masks/test0\.png differ in their"):
        read("pairs", root)
