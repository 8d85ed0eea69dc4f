"""A recipe is checked whole before any work: what is wrong is named, with the nearest right key."""

import pytest
import yaml

from vesalius.core import ChoiceError, RecipeError, VesaliusError
from vesalius.studies import catalogue, load_recipe, read_yaml, recipe_of

MINIMAL = {
    "study": "mine",
    "question": "Does it work?",
    "data": {"reader": "phantom"},
    "model": {"name": "tiny"},
}
MANNERS = ("tensorboard", "compile", "recompute", "shard")


@pytest.mark.parametrize("name", catalogue())
def test_every_study_of_the_catalogue_passes_the_check(name):
    recipe = load_recipe(name)
    assert recipe.study == name
    assert recipe.question.endswith("?")


@pytest.mark.parametrize("name", catalogue())
def test_a_resolved_recipe_is_a_recipe_again(name, tmp_path):
    resolved = load_recipe(name).resolved()
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(resolved))
    assert load_recipe(str(path)).resolved() == resolved


def test_every_default_stands_in_the_resolved_recipe():
    resolved = recipe_of({**MINIMAL, "adapt": ["knn"]}).resolved()
    assert resolved["adapt"] == [
        {"knn": {"title": "kNN", "k": 20, "temperature": 0.07, "labels": 1.0}}
    ]
    assert resolved["data"]["image_size"] == 224
    assert resolved["split"]["by"] == "patient"


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("dta.n=3", "did you mean 'data'"),
        ("data.imge_size=64", "did you mean 'image_size'"),
        ("split.tst=0.2", "did you mean 'test'"),
        ("model.nam=tiny", "did you mean 'name'"),
        ("pretrain.epoch=3", "did you mean 'epochs'"),
        ("data.n=many", "data.n is 'many'"),
        ("seed=-1", "seed is -1"),
        ("replicates=3", "replicates is 3"),
        ("split.by=images", "split.by"),
        ("data.limit=0", "data.limit"),
        ("data.reader=phantm", "did you mean 'phantom'"),
        ("adapt=[linear_prob]", "did you mean 'linear_probe'"),
        ("evaluate=[{retrieval: {k: 3}}]", "retrieval.k"),
        ("study=Bad Name", "study"),
    ],
)
def test_a_mistake_is_named_with_its_place(assignment, said):
    with pytest.raises(VesaliusError) as caught:
        recipe_of(MINIMAL, [assignment])
    assert said in str(caught.value)


def test_a_study_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'quickstart'"):
        load_recipe("quikstart")


def test_a_recipe_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"gone\.yaml"):
        load_recipe(str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize(
    "content",
    [
        "a: [1, 2",
        "- a\n- b\n",
        "just words",
        "a: &x [1]\nb: [*x, *x]\n",
        "!!python/object/apply:os.system ['true']",
        "\x00\x01",
        "a: " + "[" * 5000,
    ],
)
def test_hostile_yaml_is_refused(content, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(VesaliusError):
        load_recipe(str(path))


def test_a_huge_file_is_no_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("a: 1\n" * 300_000)
    with pytest.raises(RecipeError, match="larger than"):
        read_yaml(str(path))


def test_the_settings_of_training_are_flat_and_reach_the_function():
    from vesalius.studies.pretrain import pretrain
    from vesalius.studies.settings import arguments

    recipe = recipe_of(MINIMAL, ["pretrain.epochs=3", "pretrain.freeze_text=true"])
    given = arguments(pretrain, recipe.pretrain)
    assert given["optimisation"].epochs == 3
    assert given["freeze_text"] is True


def test_how_a_training_runs_is_said_by_each_stage_and_reaches_its_conditions(tmp_path):
    from vesalius.core import Run
    from vesalius.studies.outcome import Context
    from vesalius.studies.pretrain import conditions
    from vesalius.studies.recipe import stage_function
    from vesalius.studies.settings import arguments

    stages = {"pretrain": {}, "self_supervise": {}, "adapt": ["fine_tune"]}
    names = ("pretrain", "self_supervise", "fine_tune")
    recipe = recipe_of({**MINIMAL, **stages}, [f"{n}.{k}=true" for n in names for k in MANNERS])
    settings = (recipe.pretrain, recipe.self_supervise, recipe.adapt[0].settings)
    context = Context(Run.open(tmp_path, {}), cases=None, model=None)
    for name, own in zip(names, settings, strict=True):
        given = conditions(context, name, arguments(stage_function(name), own)["manner"])
        assert all(getattr(given, key) is True for key in MANNERS)
        assert given.save_every == 60.0


@pytest.mark.parametrize(
    ("words", "strategy"),
    [
        ((), "full"),
        (("freeze_image=true",), "locked_image"),
        (("freeze_text=true",), "locked_text"),
        (("freeze_text=true", "strategy=locked_text"), "locked_text"),
        (("freeze_image=true", "freeze_text=true"), "nothing to learn"),
        (("freeze_image=true", "strategy=lora"), "say strategy=locked_image alone"),
    ],
)
def test_the_freezing_options_of_pubmedclip_name_a_strategy(words, strategy):
    from vesalius.studies.pretrain import chosen_strategy

    words = [f"pretrain.{word}" for word in ("epochs=3", *words)]
    if " " in strategy:
        with pytest.raises(RecipeError, match=strategy):
            recipe_of(MINIMAL, words)
    else:
        settings = recipe_of(MINIMAL, words).pretrain
        asked = settings["strategy"], settings["freeze_image"], settings["freeze_text"]
        assert chosen_strategy(*asked) == strategy


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pretrain.epochs=0", "epochs is 0"),
        ("fine_tune.optimiser=sgd", "optimiser"),
        ("fine_tune.labels=5", "less than or equal to 1"),
        ("pretrain.objective=infonec", "did you mean 'infonce'"),
        ("pretrain.objective_settings={tile: half}", "tile is 'half'"),
        ("pretrain.pairs=3", "pairs is 3"),
        ("pretrain.decoupled=true", "choose semantic_matching"),
        ("self_supervise={views: chst}", "did you mean 'chest'"),
        ("self_supervise={objective_settings: {temperatur: 1}}", "did you mean 'temperature'"),
        ("self_supervise={epochs: 0}", "epochs is 0"),
        ("zero_shot.prompts=ches", "did you mean 'chest'"),
        ("zero_shot.prompts=gone.yaml", r"gone\.yaml cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_any_work(words, said):
    with pytest.raises(VesaliusError, match=said):
        load_recipe("quickstart", [words])


def test_a_model_may_be_given_by_its_name_alone(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("question: What?\ndata: {reader: phantom}\nmodel: tiny\n")
    assert load_recipe(str(path)).model["name"] == "tiny"
    assert load_recipe(str(path), ["model.image_size=32"]).model["image_size"] == 32
