"""What a study trained is kept: its classifier scores again, its model is exported with a card."""

import json

import numpy as np
import pytest
import yaml

from vesalius import evaluation
from vesalius.encoders import load
from vesalius.studies import export_model, recipe_of, run_study

DATA = {"reader": "phantom", "n": 60, "image_size": 48}
PLAIN = {"question": "?", "replicates": 100, "split": {"by": "patient"}, "data": DATA}
MODEL = {"name": "tiny", "image_size": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    stage = {"fine_tune": {"epochs": 1, "start": "random", "strategy": "last_blocks",
                           "last_blocks": 1, "layer_decay": 0.5}}  # fmt: skip
    recipe = {**PLAIN, "study": "trained", "model": MODEL, "pretrain": {"epochs": 1},
              "adapt": [stage], "evaluate": ["classification"]}  # fmt: skip
    return run_study(recipe_of(recipe), tmp_path_factory.mktemp("trained") / "run", progress=False)


def test_a_kept_classifier_gives_the_same_scores_in_a_study_of_its_own(run, tmp_path):
    path = str(run.file("classifiers", "fine-tune"))
    recipe = {**PLAIN, "study": "again", "model": path, "evaluate": ["classification"],
              "adapt": [{"classifier": {"path": path}}]}  # fmt: skip
    again = run_study(recipe_of(recipe), tmp_path / "again", progress=False)
    one, other = (
        evaluation.read_ledger(own.file("predictions", f"{name}.parquet"))
        for own, name in ((run, "fine-tune"), (again, "classifier"))
    )
    assert np.array_equal(one.scores_NC, other.scores_NC)


def test_a_run_is_exported_with_its_recipe_and_scores_and_without_paths(run, tmp_path):
    folder = export_model(str(run.path), tmp_path / "out")
    assert load(str(folder)).identity() == load(str(run.path)).identity()
    said = (folder / "README.md").read_text()
    assert yaml.safe_load(said.split("---")[1])["license"] == "other"
    assert "strategy: last_blocks" in said
    assert str(run.path.parent) not in said
    scores = json.loads(run.file("scores.json").read_text())
    value = next(s["value"] for s in scores["fine-tune"] if s["name"] == "macro_auroc")
    assert f"macro_auroc {value:.3f} [" in said
