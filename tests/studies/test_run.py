"""A study runs from its recipe to its page; every number on it can be had again from its files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vesalius import evaluation
from vesalius.core import DataError, VesaliusError
from vesalius.studies import load_recipe, recipe_of, run_study, runner

SMALL = [
    "data.n=60",
    "data.image_size=48",
    "model.image_size=32",
    "pretrain.epochs=1",
    "fine_tune.epochs=1",
    "replicates=100",
]
METHODS = {"zero-shot", "linear probe", "kNN", "fine-tune"}


@pytest.fixture(scope="session")
def recipe():
    return load_recipe("quickstart", SMALL)


@pytest.fixture(scope="session")
def run(recipe, tmp_path_factory):
    """Return the Run of a very small quickstart."""
    return run_study(recipe, tmp_path_factory.mktemp("run"), progress=False)


def scores_of(run):
    def no_constant(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(run.file("scores.json").read_text(), parse_constant=no_constant)


def test_the_page_bears_the_question_the_answer_and_every_method(run, recipe):
    page = run.file("page.html").read_text()
    assert recipe.question in page
    for method in METHODS:
        assert method in page
    assert "nothing here holds for patients" in page
    assert "not for diagnosis" in page
    assert len(page.encode()) < 5e6


def test_every_number_of_a_method_comes_from_its_ledger(run):
    scores = scores_of(run)
    assert set(scores) >= METHODS
    for method in METHODS:
        file = run.file("predictions", f"{method.lower().replace(' ', '-')}.parquet")
        ledger = evaluation.read_ledger(file)
        again = evaluation.classification(
            ledger.split("test"),
            thresholds_from=ledger.split("validation"),
            replicates=100,
            seed=0,
        )
        assert [s.as_dict() for s in again] == scores[method][: len(again)]


def test_scores_carry_their_n_and_their_interval(run):
    macro = {s["name"]: s for s in scores_of(run)["linear probe"] if not s["label"]}["macro_auroc"]
    assert macro["n"] > 0
    assert macro["low"] <= macro["value"] <= macro["high"]
    assert "zero-shot" in run.file("scores.md").read_text()


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Return the Run of a very small IU-Xray study."""
    few = [word for word in SMALL if not word.startswith("pretrain")]
    few.append("fine_tune.learning_rate=0.01")  # far enough from the frozen encoder to tell apart
    folder = tmp_path_factory.mktemp("iu_xray")
    return run_study(load_recipe("iu_xray", few), folder, progress=False)


def test_both_protocols_together_keep_the_comparisons(published):
    pairs = [method for method in scores_of(published) if " − " in method]
    assert "fine-tune − linear probe" in pairs
    assert len(pairs) == 10, "five methods, two by two"


def test_each_published_row_has_the_distances_of_its_own_encoder(published):
    from vesalius.reporting.numbers import number

    scores, page = scores_of(published), published.file("page.html").read_text()
    table = page.partition("In the published definitions")[2].partition("</table>")[0]
    inter = {
        method: number(next(s["value"] for s in scores[method] if s["name"] == "inter"))
        for method in ("fine-tune", "frozen encoder")
    }
    assert inter["fine-tune"] != inter["frozen encoder"]
    assert all(value in table for value in inter.values())


def test_no_patient_of_the_test_split_is_learnt_from(run):
    ledger = evaluation.read_ledger(run.file("predictions", "zero-shot.parquet"))
    sides = {split: set(ledger.split(split).patient_ids) for split in ("validation", "test")}
    assert not sides["validation"] & sides["test"]


def test_the_same_command_goes_on_and_gives_the_same_numbers(run, recipe):
    before = run.file("scores.json").read_bytes()
    chunks = {path: path.stat().st_mtime_ns for path in Path(run.path).rglob("*.npy")}
    weights = run.file("training", "pretrain", "last.safetensors").stat().st_mtime_ns
    again = run_study(recipe, run.path, progress=False)
    assert again.file("scores.json").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in Path(run.path).rglob("*.npy")} == chunks
    assert run.file("training", "pretrain", "last.safetensors").stat().st_mtime_ns == weights


def test_a_folder_of_another_recipe_is_left_alone(run):
    before = run.file("scores.json").read_bytes()
    with pytest.raises(VesaliusError, match="another recipe"):
        run_study(load_recipe("quickstart", [*SMALL, "seed=1"]), run.path, progress=False)
    assert run.file("scores.json").read_bytes() == before


def test_the_run_is_a_model(run):
    from vesalius import encoders

    model = encoders.load(str(run.path))
    pixels = model.preprocess(np.zeros((40, 40), np.uint8))[None]
    assert model.encode_image(pixels).shape == (1, model.width)


@pytest.fixture
def bare(tmp_path):
    """Return the recipe of twelve images with nothing known about them."""
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "cases.csv").write_text("image\n" + "".join(f"{i}.png\n" for i in range(12)))
    return {
        "study": "bare",
        "question": "What can be said?",
        "data": {"reader": "manifest", "root": str(tmp_path), "file": "cases.csv"},
        "split": {"no_patient_id": True},
        "model": {"name": "tiny", "image_size": 32},
        "replicates": 100,
        "evaluate": ["classification", "retrieval", "separability"],
    }


def test_what_cannot_be_measured_is_said_on_the_page(bare, tmp_path):
    made = run_study(recipe_of(bare), tmp_path / "run", progress=False)
    page = made.file("page.html").read_text()
    assert page.count("Not measured") == 3
    assert "Patients are not known" in page


def test_a_model_that_was_never_trained_is_said_at_the_top_and_on_the_terminal(
    bare, tmp_path, caplog
):
    made = run_study(recipe_of(bare), tmp_path / "run", progress=False)
    page = made.file("page.html").read_text()
    assert page.index("tiny was never trained") < page.index('id="content"')
    assert page.count("tiny was never trained") == 1
    assert "tiny was never trained" in caplog.text


def test_a_model_that_was_trained_is_not_called_untrained(run):
    assert "was never trained" not in run.file("page.html").read_text()


def test_a_trained_model_that_is_loaded_by_its_path_is_not_called_untrained(run, bare, tmp_path):
    recipe = recipe_of({**bare, "model": str(run.path), "evaluate": []})
    made = run_study(recipe, tmp_path / "run", progress=False)
    assert "was never trained" not in made.file("page.html").read_text()


def test_the_naive_recall_stands_beside_the_grouped_one(run):
    page = run.file("page.html").read_text()
    assert "retrieval, naive" in page


def test_without_patients_the_split_must_be_allowed(bare, tmp_path):
    with pytest.raises(DataError, match="no_patient_id"):
        run_study(recipe_of({**bare, "split": {}}), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("stage", "said"), [("pretrain", "data.text"), ("zero_shot", "data.labels")]
)
def test_a_stage_without_its_texts_or_labels_says_what_to_name(bare, tmp_path, stage, said):
    asked = {"pretrain": {}} if stage == "pretrain" else {"adapt": [stage]}
    with pytest.raises(DataError, match=said):
        run_study(recipe_of({**bare, **asked}), tmp_path / "run", progress=False)


def test_a_kept_recipe_names_its_data_from_wherever_it_is_repeated(bare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = {**bare, "data": {**bare["data"], "root": "."}, "evaluate": []}
    made = run_study(recipe_of(relative), tmp_path / "run", progress=False)
    assert made.recipe()["data"]["root"] == str(tmp_path)
    assert str(tmp_path) not in made.file("page.html").read_text()


def test_a_kept_recipe_names_its_prompts_from_wherever_it_is_repeated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("labels: {Edema: {positive: [edema]}}")
    plain = {"study": "own", "question": "?", "data": {"reader": "phantom"}, "model": "tiny"}
    recipe = recipe_of({**plain, "adapt": [{"zero_shot": {"prompts": "own.yaml"}}]})
    (stage,) = runner.kept(recipe)["adapt"]
    assert stage["zero_shot"]["prompts"] == str(tmp_path / "own.yaml")
    assert recipe.adapt[0].settings["prompts"] == "own.yaml", "the recipe itself stays as it is"
