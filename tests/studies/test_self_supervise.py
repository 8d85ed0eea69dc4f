"""Stages that learn without labels, and labels that come from words."""

import json

import numpy as np
import pytest

from vesalius import encoders
from vesalius.core import ChoiceError
from vesalius.studies import recipe_of, run_study
from vesalius.studies.runner import read_data

SMALL = {
    "study": "small",
    "question": "Does it run?",
    "replicates": 100,
    "data": {"reader": "phantom", "n": 60, "image_size": 48},
    "split": {"test": 0.3, "validation": 0.2},
    "model": {"name": "tiny", "image_size": 32},
}


def test_self_supervision_leaves_a_model_that_later_stages_and_other_runs_use(tmp_path):
    views = {"method": "barlow_twins", "views": "chest", "epochs": 1, "batch_size": 16,
             "layers": [32, 16], "objective_settings": {"off_diagonal_weight": 0.01}}  # fmt: skip
    plain = {**SMALL, "self_supervise": views, "adapt": ["knn"], "evaluate": ["classification"]}
    run = run_study(recipe_of(plain), tmp_path / "run", progress=False)
    page = run.file("page.html").read_text()
    assert "How the image tower learnt to see" in page
    assert "was never trained" not in page
    fits = json.loads(run.file("fits.json").read_text())
    assert fits["self-supervision"]["trainable_parameters"] > 1000
    trained, fresh = encoders.load(str(run.path)), encoders.load("tiny", image_size=32)
    before = np.concatenate([p.detach().numpy().ravel() for p in fresh.image_parameters()])
    after = np.concatenate([p.detach().numpy().ravel() for p in trained.image_parameters()])
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


def test_labels_may_be_read_from_the_texts():
    plain = {**SMALL, "data": {**SMALL["data"], "findings": "present"}}
    own, read = read_data(recipe_of(SMALL)), read_data(recipe_of(plain))
    new = set(read.label_names) - set(own.label_names)
    assert new
    assert read.label_names[: len(own.label_names)] == own.label_names
    np.testing.assert_array_equal(read.labels_NC[:, : own.labels_NC.shape[1]], own.labels_NC)
    assert np.isfinite(read.labels_NC[:, own.labels_NC.shape[1] :]).any()


def test_what_becomes_of_doubt_must_be_a_known_word():
    plain = {**SMALL, "data": {**SMALL["data"], "findings": "presnt"}}
    with pytest.raises(ChoiceError, match="did you mean 'present'"):
        recipe_of(plain)
