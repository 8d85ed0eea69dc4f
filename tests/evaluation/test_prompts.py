"""Prompt sets."""

import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import load_prompts

CHEXPERT = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
NIH = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia",
)  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "own.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


@pytest.mark.parametrize("label_names", [CHEXPERT, NIH])
def test_chest_has_an_ensemble_both_ways_for_every_finding(label_names):
    prompts = load_prompts("chest", label_names)
    assert prompts.label_names == label_names
    for label in label_names:
        positive, negative = prompts.positive[label], prompts.negative[label]
        assert len(positive) >= 3
        assert len(negative) >= 3
        assert not set(positive) & set(negative)


def test_spelling_of_a_label_does_not_matter():
    spelled = ["Pleural Effusion", "pleural_effusion", "PLEURAL-EFFUSION", "Effusion"]
    prompts = load_prompts("chest", spelled)
    assert len({prompts.positive[label] for label in spelled}) == 1


def test_a_label_that_is_missing_is_named_with_the_choices():
    with pytest.raises(ChoiceError, match=r"unknown label.*'Cardiomegali'.*'Cardiomegaly'.*Edema"):
        load_prompts("chest", ["Cardiomegali"])


def test_a_set_that_is_missing_is_named_with_the_choices():
    with pytest.raises(ChoiceError, match="'chess'; did you mean 'chest'"):
        load_prompts("chess", ["Edema"])


def test_generic_fills_any_label_and_names_have_no_negatives():
    generic = load_prompts("generic", ["melanoma"])
    assert "an image of melanoma" in generic.positive["melanoma"]
    assert "an image without melanoma" in generic.negative["melanoma"]
    names = load_prompts("names", ["melanoma"])
    assert names.positive == {"melanoma": ("melanoma",)}
    assert not names.negative


def test_own_file_wins_by_label_and_falls_back_on_templates(write):
    path = write(
        "labels:\n  Edema:\n    positive: [wet lungs]\n    negative: [dry lungs]\n"
        "templates:\n  positive: ['{label} is seen']\n  negative: ['no {label}']\n"
    )
    prompts = load_prompts(path, ["Edema", "Nodule {x}"])
    assert prompts.name == "own"
    assert prompts.positive["Edema"] == ("wet lungs",)
    assert prompts.positive["Nodule {x}"] == ("Nodule {x} is seen",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "expected keys"),
        ("label: {}", "did you mean 'labels'"),
        ("labels: {}", "give 'labels'"),
        ("labels: {Edema: {positiv: [a]}}", r"labels\.Edema.*did you mean 'positive'"),
        ("labels: {Edema: wet}", r"labels\.Edema is 'wet'"),
        ("labels: {Edema: {positive: wet}}", "not a list of texts"),
        ("labels: {Edema: {negative: [dry]}}", "positive is missing"),
        ("labels: {Edema: {positive: [1]}}", "not a list of texts"),
        ("labels: {Edema: {positive: [a]}, edema: {positive: [b]}}", "occurs twice"),
        ("labels: {Edema: {positive: [a", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(write, text, message):
    with pytest.raises((DataError, ChoiceError), match=message):
        load_prompts(write(text), ["Edema"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        load_prompts(tmp_path / "none.yaml", ["Edema"])


def test_a_label_without_prompts_names_the_sets_that_fit_any_label():
    with pytest.raises(ChoiceError, match="'malignant'.*--prompts generic"):
        load_prompts("chest", ["malignant"])
