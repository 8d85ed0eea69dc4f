import json

import pytest

from vesalius.core import ChoiceError, DataError, Question
from vesalius.data import inspect, read

PUBLIC = "VQA_RAD Dataset Public.json"


def change(root, entry, **changed):
    path = root / PUBLIC
    entries = json.loads(path.read_text())
    entries[entry].update(changed)
    path.write_text(json.dumps(entries))


def test_an_image_is_a_case_with_all_its_questions(layout):
    cases = read("vqa_rad", layout("vqa_rad"))
    assert cases.case_ids.tolist() == ["synpic1.jpg", "synpic2.jpg", "synpic3.jpg"]
    assert cases[0].questions == (
        Question("Is there an infarct?", "Yes", "closed"),
        Question("Which side?", "left", "open"),
    )
    assert cases.attributes["organ"].tolist() == ["HEAD", "CHEST", "ABD"]


def test_blanks_around_types_and_answers_are_stripped_and_numbers_are_words(layout):
    cases = read("vqa_rad", layout("vqa_rad"))
    assert cases[1].questions == (
        Question("What is shown?", "the chest", "open"),
        Question("How many ribs?", "12", "closed"),
    )


def test_by_image_no_image_is_on_two_sides_and_test_questions_stay_in_test(layout):
    cases = read("vqa_rad", layout("vqa_rad"))
    assert cases.splits.tolist() == ["test", "train", "test"]
    assert inspect(cases).shared_patients == 0


def test_as_published_an_image_on_both_sides_gives_two_cases_and_is_counted(layout):
    cases = read("vqa_rad", layout("vqa_rad"), split="published")
    assert cases.case_ids.tolist() == [
        "synpic1.jpg (train)",
        "synpic2.jpg (train)",
        "synpic1.jpg (test)",
        "synpic3.jpg (test)",
    ]
    assert cases.splits.tolist() == ["train", "train", "test", "test"]
    assert [len(case.questions) for case in cases] == [1, 2, 1, 1]
    assert inspect(cases).shared_patients == 1


@pytest.mark.parametrize("split", ["image", "published"])
def test_no_question_is_lost(layout, split):
    cases = read("vqa_rad", layout("vqa_rad"), split=split)
    assert sum(len(case.questions) for case in cases) == 5


def test_the_two_files_of_mevf_read_as_the_public_one(layout):
    root = layout("vqa_rad")
    entries = json.loads((root / PUBLIC).read_text())
    is_test = [entry["phrase_type"].startswith("test_") for entry in entries]
    for name, part in (("trainset.json", False), ("testset.json", True)):
        own = [e for e, test in zip(entries, is_test, strict=True) if test == part]
        for entry in own:
            entry["phrase_type"] = entry["phrase_type"].removeprefix("test_")
        (root / name).write_text(json.dumps(own))
    published = read("vqa_rad", root, split="published")
    (root / PUBLIC).unlink()
    (root / "VQA_RAD Image Folder").rename(root / "images")
    again = read("vqa_rad", root, split="published")
    assert again.case_ids.tolist() == published.case_ids.tolist()
    assert [c.questions for c in again] == [c.questions for c in published]
    assert read("vqa_rad", root).splits.tolist() == ["test", "train", "test"]


def test_the_training_file_alone_is_all_training(layout):
    root = layout("vqa_rad")
    (root / PUBLIC).rename(root / "trainset.json")
    assert set(read("vqa_rad", root).splits.tolist()) == {"train"}


def test_a_question_without_an_answer_is_left_out_and_listed(layout):
    root = layout("vqa_rad")
    change(root, 1, answer=" ")
    cases = read("vqa_rad", root)
    assert len(cases[1].questions) == 1
    assert cases.skipped[0].name.endswith("entry 2")
    assert cases.skipped[0].reason == "without question or answer"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answer_type": "HALF"}, "entry 2: answer_type is 'HALF'; choose one of CLOSED, OPEN"),
        ({"image_name": ""}, "entry 2: 'image_name' is blank"),
        ({"image_name": "../../secret.png"}, "leads out of the folder"),
    ],
)
def test_a_broken_row_is_an_error_with_its_entry(layout, changed, message):
    root = layout("vqa_rad")
    change(root, 1, **changed)
    with pytest.raises(DataError, match=message):
        read("vqa_rad", root)


@pytest.mark.parametrize(
    "column", ["image_name", "question", "answer", "answer_type", "phrase_type", "image_organ"]
)
def test_a_missing_column_is_named(layout, column):
    root = layout("vqa_rad")
    path = root / PUBLIC
    path.write_text(path.read_text().replace(f'"{column}"', '"x"'))
    with pytest.raises(DataError, match=f"has no column '{column}'"):
        read("vqa_rad", root)


def test_a_missing_image_is_listed(layout):
    root = layout("vqa_rad")
    (root / "VQA_RAD Image Folder" / "synpic3.jpg").unlink()
    cases = read("vqa_rad", root)
    assert len(cases) == 2
    assert cases.skipped[0].name == "VQA_RAD Image Folder/synpic3.jpg"


def test_an_unknown_split_gets_the_choices(layout):
    with pytest.raises(ChoiceError, match="choose one of image, published"):
        read("vqa_rad", layout("vqa_rad"), split="question")


@pytest.mark.parametrize("split", ["image", "published"])
def test_the_real_questions_have_their_known_counts(real_data, split):
    cases = read("vqa_rad", real_data("vqa_rad"), split=split)
    assert len(cases) == 314
    kinds = [question.kind for case in cases for question in case.questions]
    assert (len(kinds), kinds.count("closed")) == (3064, 1823)
    assert cases.skipped == ()
