from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import Skipped
from vesalius.data import inspect, read
from vesalius.data.inspection import LabelCount
from vesalius.data.inspection.region_counts import MaskCount


def test_unknown_labels_are_never_counted_as_absent(layout):
    found = inspect(read("manifest", layout("manifest")))
    edema, fracture = found.labels
    assert edema == LabelCount("Edema", 1, 1, 2, {"test": 0, "train": 1, "validation": 0})
    assert fracture == LabelCount("Fracture", 2, 1, 1, {"test": 1, "train": 0, "validation": 1})
    assert fracture.prevalence == 2 / 3
    assert np.isnan(LabelCount("x", 0, 0, 4).prevalence)
    assert found.no_label == 0


def test_patients_splits_and_texts_are_counted(layout):
    found = inspect(read("manifest", layout("manifest")))
    assert (found.cases, found.patients, found.most_per_patient) == (4, 3, 2)
    assert found.cases_per_patient == {1: 2, 2: 1}
    assert found.splits == {"test": 1, "train": 2, "validation": 1}
    assert (found.texts.present, found.texts.absent, found.texts.distinct) == (3, 1, 3)
    assert (found.texts.shortest, found.texts.median, found.texts.longest) == (1, 1, 2)
    assert found.sizes == {"8×6 grey": 4}
    assert found.sentence() == "4 cases of 3 patients, 2 labels, 3 texts."


def test_what_a_set_does_not_have_is_none_or_nothing(cases):
    found = inspect(cases(None, np.zeros((3, 0))))
    assert found.patients is None
    assert found.texts is None
    assert found.splits == {}
    assert (found.most_per_patient, found.shared_patients, found.no_label) == (0, 0, 0)
    assert found.sentence() == "3 cases of unknown patients, 0 labels, 0 texts."


def test_unreadable_images_are_the_planted_ones(tmp_path, png, table):
    names = [f"{i:03}.png" for i in range(200)]
    rng = np.random.default_rng(0)
    for name in names:
        png(tmp_path / name)
    planted = [names[i] for i in sorted(rng.choice(200, 10, replace=False))]
    for number, name in enumerate(planted):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:60] if number % 2 else b"not an image")
    table(tmp_path / "manifest.csv", ("image",), *((name,) for name in names))
    found = inspect(read("manifest", tmp_path), workers=3)
    assert [bad.name for bad in found.unreadable] == planted
    assert all(bad.name in bad.reason for bad in found.unreadable)
    assert sum(found.sizes.values()) == 190
    assert "10 unreadable" in found.sentence()


def test_the_same_pixels_are_found_in_different_files(tmp_path, png, table):
    from PIL import Image

    for name in ("a.png", "b.png", "c.png"):
        png(tmp_path / name)
    Image.open(tmp_path / "a.png").save(tmp_path / "copy.bmp")
    rows = [("a.png", "train"), ("b.png", "train"), ("c.png", "test"), ("copy.bmp", "test")]
    table(tmp_path / "manifest.csv", ("image", "split"), *rows)
    found = inspect(read("manifest", tmp_path))
    assert found.duplicates == (("a.png", "copy.bmp"),)
    assert found.duplicates_across_splits == 1


def test_broken_images_are_no_duplicates_of_each_other(tmp_path, png, table):
    png(tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    table(tmp_path / "manifest.csv", ("image",), ("a.png",), ("b.png",), ("c.png",))
    assert inspect(read("manifest", tmp_path)).duplicates == ()


def test_patients_in_two_splits_are_counted(cases):
    splits = np.array(["train", "test", "train", "train", "test", "test", "train"])
    shared = cases(["a", "a", "b", "b", "c", "", ""], splits=splits)
    assert inspect(shared).shared_patients == 1


def test_images_are_left_closed_when_asked(tmp_path, table):
    (tmp_path / "a.png").write_bytes(b"broken")
    table(tmp_path / "manifest.csv", ("image",), ("a.png",))
    found = inspect(read("manifest", tmp_path), check_images=False)
    assert (found.opened, found.sizes, found.unreadable) == (0, {}, ())


def test_skipped_rows_are_passed_on(layout):
    root = layout("manifest")
    (root / "images" / "a.png").unlink()
    found = inspect(read("manifest", root))
    assert found.skipped == (Skipped("images/a.png", "no such file"),)
    assert found.sentence().endswith("1 row left out.")


def test_no_cases_at_all_can_be_inspected(layout):
    found = inspect(read("manifest", layout("manifest")).select([]))
    assert found.cases == 0
    assert found.sentence() == "0 cases of 0 patients, 2 labels, 0 texts."


def test_progress_is_shown_on_request(layout):
    assert inspect(read("manifest", layout("manifest")), progress=True).opened == 4


def test_masks_and_boxes_are_counted_and_empty_masks_apart(layout):
    found = inspect(read("busi", layout("busi")))
    assert found.masks == (MaskCount("Lesion", 5, 1),)
    assert found.boxes == {"Lesion": 4}
    assert found.sentence() == "5 cases of unknown patients, 3 labels, 0 texts, 5 masks, 4 boxes."


def test_boxes_are_counted_by_label(layout):
    found = inspect(read("nih_cxr14", layout("nih_cxr14")))
    assert found.masks == ()
    assert found.boxes == {"Cardiomegaly": 1, "Infiltration": 1}


def test_a_mask_that_cannot_be_read_is_listed_with_its_file(layout, mask):
    root = layout("busi")
    mask(root / "benign" / "benign (1)_mask.png", width=7)
    (root / "benign" / "benign (2)_mask_1.png").write_bytes(b"broken")
    found = inspect(read("busi", root))
    assert [bad.name for bad in found.unreadable] == [
        "benign/benign (1).png",
        "benign/benign (2).png",
    ]
    assert "benign (1)_mask.png is 7×6 pixels" in found.unreadable[0].reason
    assert "benign (2)_mask_1.png" in found.unreadable[1].reason
    assert found.masks == (MaskCount("Lesion", 3, 1),)


def test_masks_are_left_closed_when_asked(layout):
    root = layout("busi")
    (root / "benign" / "benign (1)_mask.png").write_bytes(b"broken")
    found = inspect(read("busi", root), check_images=False)
    assert (found.masks, found.boxes, found.unreadable, found.opened) == ((), {}, (), 0)


def test_questions_are_counted_with_their_frequent_answers(layout):
    asked = inspect(read("vqa_rad", layout("vqa_rad"))).questions
    assert (asked.total, asked.closed, asked.open, asked.cases, asked.distinct) == (5, 3, 2, 3, 5)
    assert set(asked.answers) == {("yes", 1), ("12", 1), ("no", 1)}
    assert inspect(read("busi", layout("busi"))).questions is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_other_errors_stop_the_inspection(cases, error):
    class Bad:
        def __len__(self):
            return 500

        def name(self, index):
            return str(index)

        def __getitem__(self, index):
            raise error

    from dataclasses import replace

    with pytest.raises(error):
        inspect(replace(cases(["p"] * 500), images=Bad()))


def test_the_real_films_are_all_readable(real_data):
    found = inspect(read("nih_cxr14", real_data("nih_cxr14")))
    assert (found.cases, found.patients) == (400, 274)
    assert found.unreadable == ()
    assert found.sizes == {"448×448 grey": 400}
    assert sum(n * patients for n, patients in found.cases_per_patient.items()) == 400


def test_splits_come_in_the_order_of_a_study(cases):
    splits = np.array(["test", "held back", "validation", "train"])
    found = inspect(cases(list("abcd"), np.ones((4, 1)), ("Edema",), splits=splits))
    order = ["train", "validation", "test", "held back"]
    assert list(found.splits) == order
    assert list(found.labels[0].positive_by_split) == order


def test_a_copy_without_a_split_lies_across_none(cases):
    from vesalius.core import ArrayImages

    images = ArrayImages(np.zeros((2, 4, 4), np.uint8), ["case00000", "case00001"])
    made = replace(cases(["a", "b"]), images=images)
    assert inspect(replace(made, splits=np.array(["train", ""]))).duplicates_across_splits == 0
    assert inspect(replace(made, splits=np.array(["train", "test"]))).duplicates_across_splits == 1
