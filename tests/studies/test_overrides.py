"""``key=value``: the right place is changed, and nothing else."""

import pytest

from vesalius.core import ChoiceError, RecipeError
from vesalius.studies import catalogue, load_recipe
from vesalius.studies.overrides import override

PLAIN = {
    "data": {"reader": "phantom"},
    "model": {"name": "tiny"},
    "pretrain": None,
    "adapt": [{"zero_shot": {"prompts": "chest"}}, "knn", {"fine_tune": {"epochs": 5}}],
    "evaluate": ["classification"],
}


def test_a_dotted_key_reaches_a_nested_value():
    assert override(PLAIN, "data.n=50")["data"] == {"reader": "phantom", "n": 50}


def test_the_recipe_that_was_given_stays_as_it_was():
    override(PLAIN, "fine_tune.epochs=1")
    assert PLAIN["adapt"][2] == {"fine_tune": {"epochs": 5}}


@pytest.mark.parametrize("key", ["fine_tune.epochs", "adapt.fine_tune.epochs"])
def test_a_stage_goes_by_its_name_with_or_without_its_list(key):
    assert override(PLAIN, f"{key}=1")["adapt"][2] == {"fine_tune": {"epochs": 1}}


def test_a_stage_without_settings_gets_its_first_one():
    assert override(PLAIN, "knn.k=3")["adapt"][1] == {"knn": {"k": 3}}


def test_a_stage_can_be_switched_off_and_on_at_the_top():
    assert override(PLAIN, "pretrain.epochs=2")["pretrain"] == {"epochs": 2}
    assert override(PLAIN, "adapt=[]")["adapt"] == []


def test_every_stage_of_a_name_is_set():
    twice = {"adapt": [{"zero_shot": {"title": "a"}}, {"zero_shot": {"title": "b"}}]}
    changed = override(twice, "zero_shot.prompts=names")["adapt"]
    assert [stage["zero_shot"]["prompts"] for stage in changed] == ["names", "names"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-5", 1e-5), ("3", 3), ("true", True), ("null", None), ("[a, b]", ["a", "b"]),
     ("a=b", "a=b"), ("", None), ("-inf-", "-inf-")],
)  # fmt: skip
def test_values_are_read_as_yaml_and_small_numbers_too(text, value):
    assert override(PLAIN, f"data.x={text}")["data"]["x"] == value


def test_model_is_short_for_its_name():
    assert override(PLAIN, "model=biomedclip")["model"] == {"name": "biomedclip"}


@pytest.mark.parametrize("assignment", ["epochs", "=3", ""])
def test_what_is_no_assignment_says_the_form(assignment):
    with pytest.raises(RecipeError, match="key=value"):
        override(PLAIN, assignment)


def test_a_misspelt_stage_is_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'fine_tune'"):
        override(PLAIN, "adapt.fine_tun.epochs=1")


def test_a_key_below_a_plain_value_is_refused():
    with pytest.raises(RecipeError, match=r"model\.name\.x"):
        override(PLAIN, "model.name.x=1")


def test_broken_yaml_names_the_key():
    with pytest.raises(RecipeError, match=r"data\.x"):
        override(PLAIN, "data.x={a: ]")


def test_another_reader_drops_the_settings_of_the_one_before():
    plain = {"data": {"reader": "phantom", "root": "/films", "limit": 5, "n": 50}}
    found = override(plain, "data.reader=nih_cxr14")
    assert found["data"] == {"reader": "nih_cxr14", "root": "/films", "limit": 5}
    assert override(plain, "data.reader=phantom") == plain


@pytest.mark.parametrize("study", sorted(catalogue()))
def test_every_study_takes_another_reader_with_its_settings_in_any_order(study, tmp_path):
    words = ["data.text=caption", "data.reader=manifest", f"data.root={tmp_path}"]
    recipe = load_recipe(study, words)
    assert recipe.data["reader"] == "manifest"
    assert recipe.data["text"] == "caption"
