import json

import numpy as np
import pytest

from vesalius.core import Box, ChoiceError, DataError
from vesalius.data import read

NAN = np.nan


def test_columns_are_found_by_their_names(layout):
    cases = read("manifest", layout("manifest"))
    assert cases.case_ids.tolist() == ["a", "b", "c", "d"]
    assert cases.patient_ids.tolist() == ["p1", "p1", "p2", "p3"]
    assert cases.texts.tolist() == ["No edema.", "Edema.", None, "Edema?"]
    assert cases.splits.tolist() == ["train", "train", "validation", "test"]
    assert cases.label_names == ("Edema", "Fracture")
    assert cases.attributes["sex"].tolist() == ["f", "f", "m", "m"]
    assert cases.task == "multilabel"
    np.testing.assert_array_equal(cases.labels_NC, [[0, NAN], [1, 0], [NAN, 1], [NAN, 1]])


@pytest.mark.parametrize(("policy", "state"), [("ignore", NAN), ("ones", 1.0), ("zeros", 0.0)])
def test_uncertain_becomes_what_the_policy_says(layout, policy, state):
    cases = read("manifest", layout("manifest"), uncertain=policy)
    np.testing.assert_equal(cases.labels_NC[2, 0], state)
    np.testing.assert_equal(cases.labels_NC[3, 0], NAN)


def test_an_unknown_policy_gets_the_choices(layout):
    with pytest.raises(ChoiceError, match="choose one of ignore, ones, zeros"):
        read("manifest", layout("manifest"), uncertain="one")


def test_the_table_may_be_the_root(layout):
    assert len(read("manifest", layout("manifest") / "manifest.csv")) == 4


def test_json_lines_read_as_a_csv_does(tmp_path, png):
    rows = [
        {"image": "a.png", "text": "One, with a comma", "Edema": 1, "patient_id": 7},
        {"image": "b.png", "Edema": None, "Mass": False, "patient_id": 8},
    ]
    for row in rows:
        png(tmp_path / row["image"])
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    cases = read("manifest", tmp_path)
    assert cases.case_ids.tolist() == ["a.png", "b.png"]
    assert cases.texts.tolist() == ["One, with a comma", None]
    assert cases.patient_ids.tolist() == ["7", "8"]
    assert cases.label_names == ("Edema", "Mass")
    np.testing.assert_array_equal(cases.labels_NC, [[1, NAN], [NAN, 0]])


@pytest.fixture
def two(tmp_path, png, table):
    """Return a function that reads two images with the given further columns."""

    def make(header, first, second, **settings):
        for name in ("a.png", "b.png"):
            png(tmp_path / name)
        columns = ("image", *header)
        table(tmp_path / "manifest.csv", columns, ("a.png", *first), ("b.png", *second))
        return read("manifest", tmp_path, **settings)

    return make


def test_one_column_of_categories_is_multiclass(two):
    cases = two(["organ"], ["Lung"], ["Heart"], labels="organ")
    assert cases.task == "multiclass"
    assert cases.label_names == ("Heart", "Lung")
    np.testing.assert_array_equal(cases.labels_NC, [[0, 1], [1, 0]])
    assert not cases.attributes


def test_joined_categories_are_multilabel_and_blank_is_unknown(two):
    cases = two(["found"], ["Edema| Mass"], [""], labels="found")
    assert cases.task == "multilabel"
    assert cases.label_names == ("Edema", "Mass")
    np.testing.assert_array_equal(cases.labels_NC, [[1, 1], [NAN, NAN]])


def test_one_column_of_states_is_one_label(two):
    cases = two(["Edema", "Mass"], [1, 0], [0, 0], labels="Edema")
    assert cases.label_names == ("Edema",)
    assert list(cases.attributes) == ["Mass"]


def test_columns_that_hold_more_than_states_are_attributes(two):
    cases = two(["age", "Edema", "blank"], [1, 1, ""], [57, 0, ""])
    assert cases.label_names == ("Edema",)
    assert sorted(cases.attributes) == ["age", "blank"]


def test_no_labels_may_be_asked_for(two):
    assert two(["Edema"], [1], [0], labels=[]).label_names == ()


def test_a_value_that_is_no_state_is_named_with_its_line(two):
    with pytest.raises(DataError, match=r"line 3: label 'Edema' is '0\.7'; choose one of 1"):
        two(["Edema"], [1], [0.7], labels=["Edema"])


def test_a_missing_label_column_gets_the_nearest(two):
    with pytest.raises(DataError, match="no column 'edema'; did you mean 'Edema'"):
        two(["Edema"], [1], [0], labels=["edema"])


@pytest.mark.parametrize("setting", ["image", "text", "case_id", "patient_id", "split"])
def test_a_column_that_is_named_must_be_there(two, setting):
    with pytest.raises(DataError, match="no column 'whatever'"):
        two(["Edema"], [1], [0], **{setting: "whatever"})


def test_case_ids_are_unique(two):
    with pytest.raises(DataError, match="line 3: 'case_id' is 'x' as on line 2.*case_id="):
        two(["case_id"], ["x"], ["x"])


def test_an_image_named_twice_needs_case_ids(tmp_path, png, table):
    png(tmp_path / "a.png")
    rows = (("a.png", "one"), ("./a.png", "two"))
    table(tmp_path / "manifest.csv", ("image", "text"), *rows)
    with pytest.raises(DataError, match="'image' is 'a.png' as on line 2"):
        read("manifest", tmp_path)
    assert len(read("manifest", tmp_path, case_id="text")) == 2


def test_an_unknown_split_is_named_with_its_line(two):
    with pytest.raises(ChoiceError, match="line 3: split 'fold1'; choose one of"):
        two(["split"], ["train"], ["fold1"])


def test_blank_patients_stay_blank_and_none_at_all_means_unknown(two):
    assert two(["patient_id"], ["p"], [""]).patient_ids.tolist() == ["p", ""]
    assert two(["patient_id"], [""], [""]).patient_ids is None


def test_missing_and_empty_images_are_skipped(layout):
    root = layout("manifest")
    (root / "images" / "a.png").unlink()
    (root / "images" / "c.png").write_bytes(b"")
    cases = read("manifest", root)
    assert cases.case_ids.tolist() == ["b", "d"]
    assert [(s.name, s.reason) for s in cases.skipped] == [
        ("images/a.png", "no such file"),
        ("images/c.png", "empty file (0 bytes)"),
    ]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname"])
def test_a_path_out_of_the_root_is_refused(tmp_path, png, table, path):
    png(tmp_path / "secret.png")
    table(tmp_path / "root" / "manifest.csv", ("image",), (path,))
    with pytest.raises(DataError, match="leads out of the folder"):
        read("manifest", tmp_path / "root")


def test_the_table_may_not_lie_outside_either(layout):
    with pytest.raises(DataError, match="leads out of the folder"):
        read("manifest", layout("manifest"), file="../other.csv")


def test_two_tables_must_be_told_apart(tmp_path, table):
    for name in ("a.csv", "b.csv"):
        table(tmp_path / name, ("image",), ("x.png",))
    with pytest.raises(DataError, match=r"a.csv, b.csv; say which it is with file="):
        read("manifest", tmp_path)


def test_medpix_reads_whole(real_data):
    cases = read(
        "manifest",
        real_data("medpix"),
        file="captions.csv",
        text="caption",
        patient_id="case_id",
        case_id="image",
        labels="location_category",
    )
    assert len(cases) == 1850
    assert len(set(cases.patient_ids)) == 602
    assert cases.task == "multiclass"
    assert len(cases.label_names) == 5
    assert (cases.labels_NC.sum(1) == 1).all()
    assert len(cases.split("train")) == 1653
    assert len(cases.split("validation")) == 197
    assert cases.skipped == ()
    assert cases[0].image.read().ndim == 2
    assert all(cases.texts)


def with_mask(root, table, *cells):
    header = ("image", "mask", "Edema")
    rows = ((f"images/{name}.png", cell, 1) for name, cell in zip("abcd", cells, strict=False))
    table(root / "manifest.csv", header, *rows)
    return root


def test_masks_are_read_from_their_column_and_merged(layout, table, mask):
    root = layout("manifest")
    mask(root / "m" / "a.png", (0, 0, 2, 1))
    mask(root / "m" / "b.png", (5, 5, 1, 1))
    cases = read("manifest", with_mask(root, table, "m/a.png | m/b.png", "", "m/b.png"))
    assert cases[0].masks["mask"].values_HW.sum() == 3
    assert dict(cases[1].masks) == {}
    assert tuple(cases[2].boxes) == (Box("mask", 5, 5, 1, 1),)
    assert cases.label_names == ("Edema",)
    assert cases.attributes == {}


def test_a_missing_mask_is_listed_and_its_case_kept(layout, table, mask):
    root = layout("manifest")
    mask(root / "m.png", (0, 0, 2, 1))
    cases = read("manifest", with_mask(root, table, "m.png|gone.png", "m.png"))
    assert [len(case.masks) for case in cases] == [0, 1]
    assert [(s.name, s.reason) for s in cases.skipped] == [
        ("gone.png", "mask left out: no such file")
    ]


def test_a_mask_outside_the_root_is_refused(layout, table):
    with pytest.raises(DataError, match="leads out of the folder"):
        read("manifest", with_mask(layout("manifest"), table, "../m.png"))
