"""A sweep puts arms side by side on the same cases, refuses bad levels, goes on when stopped."""

import json
import shutil

import pytest

from vesalius.core import RecipeError
from vesalius.evaluation import read_ledger
from vesalius.studies import recipe_of, run_study
from vesalius.studies.sweep import running

PLAIN = {
    "study": "tiny_sweep",
    "question": "Does it matter which tower learns?",
    "replicates": 100,
    "data": {"reader": "phantom", "n": 80, "image_size": 48},
    "split": {"test": 0.3, "validation": 0.2},
    "model": {"name": "tiny", "image_size": 32},
    "pretrain": {"epochs": 1, "batch_size": 32},
    "adapt": ["linear_probe"],
    "evaluate": [{"classification": {"cases_shown": 0}}, "retrieval"],
    "seeds": 2,
    "vary": {"freeze": {"none": {}, "again": {}, "text": {"pretrain.freeze_text": True}}},
}
ARMS = ("none", "again", "text")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "run"
    return run_study(recipe_of(PLAIN), folder, progress=False)


def rows_of(run):
    return json.loads(run.file("sweep.json").read_text())


def test_every_arm_and_seed_is_a_run_with_a_page(run):
    for arm in ARMS:
        for seed in (0, 1):
            assert run.file("arms", arm, f"seed-{seed}", "page.html").is_file()
    page = run.file("page.html").read_text()
    assert "Which arm is better?" in page
    assert "Trainable parameters" in page


def test_identical_arms_differ_by_exactly_nothing(run):
    values = {
        (row["freeze"], row["method"], row["name"]): (row["value"], row["low"], row["seed_values"])
        for row in rows_of(run)
    }
    same = [key for key in values if key[0] == "none"]
    assert same
    assert all(values[key] == values["again", *key[1:]] for key in same)


def test_seeds_differ_and_their_spread_stands_beside_the_interval(run):
    row = next(r for r in rows_of(run) if r["name"] == "macro_auroc" and r["freeze"] == "text")
    assert row["low"] <= row["value"] <= row["high"]
    assert row["seed_sd"] > 0
    assert row["value"] == pytest.approx(sum(row["seed_values"]) / 2)


def test_all_arms_and_seeds_are_judged_on_the_same_cases(run):
    cases = set()
    for arm in ARMS:
        for seed in (0, 1):
            file = run.file("arms", arm, f"seed-{seed}", "predictions", "linear-probe.parquet")
            cases.add(tuple(sorted(read_ledger(file).split("test").case_ids)))
    assert len(cases) == 1


def test_an_interrupted_sweep_goes_on_to_the_same_numbers(run, monkeypatch):
    before = rows_of(run)
    shutil.rmtree(run.file("arms", "text", "seed-1"))
    run.file("sweep.json").unlink()
    made = []

    def counted(recipe, place, **settings):
        made.append(place)
        return run_study(recipe, place, **settings)

    monkeypatch.setattr(running, "run_study", counted)
    run_study(recipe_of(PLAIN), run.path, progress=False)
    assert [place.name for place in made] == ["seed-1"]
    assert rows_of(run) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pretrain.epoch": 2}, "did you mean 'epochs'"),
        ({"data.n": 50}, "the same cases"),
        ({"seed": 3}, "the same cases"),
    ],
)
def test_a_bad_level_is_refused_by_name_before_any_work(tmp_path, change, said):
    bad = {**PLAIN, "vary": {"freeze": {"none": {}, "odd": change}}}
    with pytest.raises(RecipeError, match="freeze=odd") as refused:
        run_study(recipe_of(bad), tmp_path / "run", progress=False)
    assert said in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_two_levels_that_would_share_a_folder_are_refused(tmp_path):
    bad = {**PLAIN, "vary": {"share": {"1%": {}, "1 ": {}}}}
    with pytest.raises(RecipeError, match="share one folder"):
        run_study(recipe_of(bad), tmp_path / "run", progress=False)


def test_overrides_take_the_sweep_away():
    single = recipe_of(PLAIN, ["vary=null", "seeds=1"])
    assert not single.is_sweep
    assert "vary" not in single.resolved()
