import json

import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read


def changed(root, change):
    path = root / "annotation.json"
    lists = json.loads(path.read_text())
    path.write_text(json.dumps(change(lists)))
    return root


def test_films_get_the_report_patient_and_split_of_their_entry(layout):
    cases = read("iu_xray_r2gen", layout("iu_xray_r2gen"))
    assert cases.case_ids.tolist()[:2] == ["CXR1_IM-0001/0.png", "CXR1_IM-0001/1.png"]
    assert cases.splits.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert cases.patient_ids.tolist() == ["CXR1"] * 2 + ["CXR2"] * 2 + ["CXR3"] * 2
    assert cases.texts[5] == "Report 3."
    assert cases.attributes["study"][5] == "CXR3_IM-0003"
    assert cases.label_names == ()


def test_the_first_film_may_be_chosen(layout):
    root = layout("iu_xray_r2gen")
    assert len(read("iu_xray_r2gen", root, films="first")) == 3
    with pytest.raises(ChoiceError, match="choose one of all, first"):
        read("iu_xray_r2gen", root, films="second")


def test_a_blank_key_means_the_split_that_its_entries_say(layout):
    def change(lists):
        return {"    ": lists["test"], "train": lists["train"], "val": lists["val"]}

    cases = read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), change))
    assert cases.splits.tolist() == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2


def test_where_neither_says_the_split_the_place_does(layout):
    def change(lists):
        for own in lists.values():
            del own[0]["split"]
        return {"train": lists["train"], "val": lists["val"], "    ": lists["test"]}

    cases = read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), change))
    assert cases.splits.tolist() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


def test_the_form_of_mimic_has_patients_and_numbers_for_ids(layout):
    def change(lists):
        for number, own in enumerate(lists.values()):
            own[0].update(id=f"02aa804e-{number}", study_id=50414267, subject_id=10000032)
        return lists

    cases = read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), change))
    assert set(cases.patient_ids) == {"10000032"}


def test_ids_without_a_patient_leave_patients_unknown(layout):
    def change(lists):
        for own in lists.values():
            own[0]["id"] = "film"
        return lists

    assert read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), change)).patient_ids is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("id", None, "'val', entry 0: id is None"),
        ("report", ["a"], r"report is \['a'\], not text"),
        ("image_path", "a.png", "image_path is no list of paths, but 'a.png'"),
        ("image_path", [1], "image_path is no list"),
        ("image_path", ["../../a.png"], "leads out of the folder"),
        ("image_path", ["/etc/passwd", "\0"], "leads out of the folder"),
        ("split", "train", "split 'train' stands in the list of 'val'"),
    ],
)
def test_a_wrong_entry_is_named(layout, field, value, message):
    def change(lists):
        lists["val"][0][field] = value
        return lists

    with pytest.raises(DataError, match=message):
        read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), change))


def test_an_unknown_key_gets_the_nearest(layout):
    with pytest.raises(ChoiceError, match="unknown .*key: split 'tets'; did you mean 'test'"):
        read("iu_xray_r2gen", changed(layout("iu_xray_r2gen"), lambda own: {"tets": own["test"]}))


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"train": 1}', b'{"train": [1]}', b"{", b"[" * 99_999, b'{"train": []}',
     b"\xff\xfe\x00", b'{"train": [{}]}'],
)  # fmt: skip
def test_a_file_of_another_layout_is_refused(layout, raw):
    root = layout("iu_xray_r2gen")
    (root / "annotation.json").write_bytes(raw)
    with pytest.raises(DataError, match="annotation.json"):
        read("iu_xray_r2gen", root)
