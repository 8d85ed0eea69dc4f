import numpy as np
import pytest

from vesalius.core import Box, DataError
from vesalius.data import read
from vesalius.data.images import PICTURES


def test_the_folder_is_the_class_and_numbers_order_the_images(layout):
    cases = read("busi", layout("busi"))
    assert cases.label_names == ("benign", "malignant", "normal")
    assert cases.task == "multiclass"
    assert cases.case_ids.tolist() == [
        "benign/benign (1).png",
        "benign/benign (2).png",
        "benign/benign (10).png",
        "malignant/malignant (1).png",
        "normal/normal (1).png",
    ]
    np.testing.assert_array_equal(cases.labels_NC.argmax(1), [0, 0, 0, 1, 2])
    np.testing.assert_array_equal(cases.labels_NC.sum(1), 1)
    assert cases.patient_ids is None
    assert cases.skipped == ()


def test_several_masks_of_an_image_are_merged(layout):
    case = read("busi", layout("busi"))[1]
    assert list(case.masks) == ["Lesion"]
    assert case.masks["Lesion"].values_HW.sum() == 1 + 4
    assert tuple(case.boxes) == (Box("Lesion", 0, 0, 8, 6),)


def test_the_mask_of_a_normal_image_is_empty(layout):
    case = read("busi", layout("busi"))[4]
    assert not case.masks["Lesion"].values_HW.any()
    assert len(case.boxes) == 0


def test_the_folder_of_the_download_is_found(layout):
    root = layout("busi")
    inner = root / "Dataset_BUSI_with_GT"
    inner.mkdir()
    for name in ("benign", "malignant", "normal"):
        (root / name).rename(inner / name)
    assert len(read("busi", root)) == 5


def test_an_image_without_a_mask_is_kept_without_one(layout):
    root = layout("busi")
    (root / "malignant" / "malignant (1)_mask.png").unlink()
    cases = read("busi", root)
    assert len(cases) == 5
    assert dict(cases[3].masks) == {}


def test_what_cannot_be_used_is_listed(layout):
    root = layout("busi")
    (root / "benign" / "benign (1).png").unlink()
    (root / "benign" / "benign (2).png").write_bytes(b"")
    (root / "benign" / "benign (10)_mask.png").write_bytes(b"")
    (root / "benign" / "notes.txt").write_text("x")
    cases = read("busi", root)
    assert len(cases) == 3
    assert {s.name: s.reason for s in cases.skipped} == {
        "benign/notes.txt": f"not an image by its name ({', '.join(PICTURES)})",
        "benign/benign (1)_mask.png": "a mask without its image",
        "benign/benign (10)_mask.png": "mask left out: empty file (0 bytes)",
        "benign/benign (2).png": "empty file (0 bytes)",
    }
    assert dict(cases[0].masks) == {}


def test_a_folder_without_the_classes_names_them(tmp_path):
    (tmp_path / "bening").mkdir()
    with pytest.raises(DataError, match="none of the folders benign, malignant, normal"):
        read("busi", tmp_path)


def test_class_folders_without_images_are_an_error(tmp_path):
    (tmp_path / "benign").mkdir()
    with pytest.raises(DataError, match="no images in benign"):
        read("busi", tmp_path)


def test_the_real_images_have_their_known_counts(real_data):
    cases = read("busi", real_data("busi"))
    assert dict(zip(cases.label_names, cases.labels_NC.sum(0), strict=True)) == {
        "benign": 262,
        "malignant": 126,
        "normal": 79,
    }
    assert cases.skipped == ()
    normal = cases.labels_NC[:, 2] == 1
    rows = [*np.flatnonzero(normal)[:20], *np.flatnonzero(~normal)[::10]]
    filled = [bool(cases[i].masks["Lesion"].values_HW.any()) for i in rows]
    assert filled == [not normal[i] for i in rows]
    assert max(len(own["Lesion"]) for own in cases.regions.files) == 3
