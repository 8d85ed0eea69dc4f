import json

import pytest

from vesalius.core import Box, ChoiceError, DataError, Question
from vesalius.data import read


def change(path, entry, **changed):
    entries = json.loads(path.read_text())
    entries[entry].update(changed)
    path.write_text(json.dumps(entries))


def test_an_image_is_a_case_in_its_published_split(layout):
    cases = read("slake", layout("slake"))
    assert cases.case_ids.tolist() == [f"xmlab{i}/source.jpg" for i in (1, 2, 3)]
    assert cases.splits.tolist() == ["train", "validation", "test"]
    assert cases.attributes["modality"].tolist() == ["CT"] * 3
    assert cases.attributes["location"].tolist() == ["Abdomen"] * 3
    assert cases.patient_ids is None
    assert cases.images.name(0) == "imgs/xmlab1/source.jpg"


@pytest.mark.parametrize(("language", "count"), [("en", 2), ("zh", 1), ("all", 3)])
def test_questions_are_of_the_language_asked_for(layout, language, count):
    cases = read("slake", layout("slake"), language=language)
    assert [len(case.questions) for case in cases] == [count] * 3
    if language == "zh":
        assert cases[0].questions == (Question("图中有哪个器官?", "肝脏", "open"),)


def test_an_unknown_language_gets_the_choices(layout):
    with pytest.raises(ChoiceError, match="choose one of all, en, zh"):
        read("slake", layout("slake"), language="de")


def test_boxes_are_read_from_beside_the_image(layout):
    cases = read("slake", layout("slake"))
    assert cases[0].boxes == (Box("Liver", 1, 1, 4, 3.5), Box("Spleen", 6, 2, 2, 2))


def test_without_boxes_there_are_no_regions(layout):
    root = layout("slake")
    for path in root.rglob("detection.json"):
        path.unlink()
    assert read("slake", root).regions is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"Liver": [1, 1, 9, 2]}]', "of 'Liver' leaves its image of 8×6 pixels"),
        ('[{"Liver": [-3, 1, 4, 2]}]', "leaves its image"),
        ('[{"Liver": [5, 4, -2, 1]}]', "leaves its image"),
        ('[{"Liver": [1, 1, 4]}]', "a box is four numbers, not"),
        ('[{"Liver": [1, 1, 4, NaN]}]', "a box is four numbers, not"),
        ('[{"Liver": "1 1 4 4"}]', "a box is four numbers, not"),
        ('{"Liver": [1, 1, 4, 4]}', "is no list of objects"),
        ("[", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_boxes_that_cannot_be_right_are_left_out_and_listed(layout, content, reason):
    root = layout("slake")
    (root / "imgs" / "xmlab2" / "detection.json").write_text(content)
    cases = read("slake", root)
    assert [len(case.boxes) for case in cases] == [2, 0, 2]
    assert cases.skipped[0].name == "imgs/xmlab2/source.jpg"
    assert cases.skipped[0].reason.startswith("boxes left out: ")
    assert reason in cases.skipped[0].reason


def test_no_box_is_believed_where_several_files_cannot_be_right(layout):
    root = layout("slake")
    for number in (1, 3):
        path = root / "imgs" / f"xmlab{number}" / "detection.json"
        path.write_text('[{"Liver": [4, 3, 8, 6]}]')  # left, top, right, bottom
    cases = read("slake", root)
    assert cases.regions is None
    assert len(cases.skipped) == 3
    assert cases.skipped[2].reason == "all boxes left out, since 2 of 3 files cannot be right"


def test_an_image_in_two_splits_is_an_error(layout):
    root = layout("slake")
    change(root / "test.json", 0, img_name="xmlab1/source.jpg")
    with pytest.raises(DataError, match=r"test\.json, entry 1: 'xmlab1/source\.jpg' is in test"):
        read("slake", root)


def test_the_other_spelling_of_the_validation_file_and_a_part_are_read(layout):
    root = layout("slake")
    (root / "validate.json").rename(root / "validation.json")
    (root / "test.json").unlink()
    assert read("slake", root).splits.tolist() == ["train", "validation"]


def test_no_question_of_the_language_is_an_error(layout):
    root = layout("slake")
    for name in ("train", "validate", "test"):
        change(root / f"{name}.json", 2, q_lang="en")
    with pytest.raises(DataError, match="no question with q_lang 'zh'"):
        read("slake", root, language="zh")


@pytest.mark.parametrize("column", ["img_name", "question", "answer", "answer_type", "q_lang"])
def test_a_missing_column_is_named(layout, column):
    root = layout("slake")
    path = root / "validate.json"
    path.write_text(path.read_text().replace(f'"{column}"', '"x"'))
    with pytest.raises(DataError, match=rf"validate\.json has no column '{column}'"):
        read("slake", root)


def test_an_image_outside_the_root_is_refused(layout):
    root = layout("slake")
    change(root / "train.json", 0, img_name="../../secret.jpg")
    with pytest.raises(DataError, match="leads out of the folder"):
        read("slake", root)


def test_a_missing_image_is_listed(layout):
    root = layout("slake")
    (root / "imgs" / "xmlab2" / "source.jpg").unlink()
    cases = read("slake", root)
    assert cases.splits.tolist() == ["train", "test"]
    assert ("imgs/xmlab2/source.jpg", "no such file") in [(s.name, s.reason) for s in cases.skipped]
