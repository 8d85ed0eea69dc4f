"""A classifier comes back from its folder with the same predictions, or says what is wrong."""

import re

import numpy as np
import pytest
import torch

from vesalius.core import ModelError, TrainingError
from vesalius.encoders import load
from vesalius.training import Classifier, load_classifier, predict, save_classifier

LABELS = ("effusion", "nodule", "edema", "normal")


@pytest.fixture
def make_classifier():
    def make(seed=0, task="multilabel"):
        encoder = load("tiny", texts=list(LABELS), image_size=16, seed=seed)
        return Classifier(encoder, LABELS, task=task, seed=seed).eval()

    return make


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_predictions_are_the_same_after_a_save(task, make_classifier, make_cohort, tmp_path):
    classifier, cases = make_classifier(task=task), make_cohort(8, 2, task)
    folder = save_classifier(classifier, tmp_path / "mine")
    again = load_classifier(folder)
    assert (again.label_names, again.task, again.training) == (LABELS, task, False)
    one, other = (predict(c, cases, workers=0, progress=False) for c in (classifier, again))
    assert np.array_equal(one.scores_NC, other.scores_NC)
    assert "training.load_classifier" in (folder / "README.md").read_text()


def test_the_same_folder_is_the_encoder_alone(make_classifier, tmp_path):
    classifier = make_classifier()
    encoder = load(str(save_classifier(classifier, tmp_path / "mine")))
    assert encoder.identity() == classifier.encoder.identity()


def test_a_folder_without_a_head_or_with_anothers_is_refused(make_classifier, tmp_path):
    first = save_classifier(make_classifier(0), tmp_path / "first")
    second = save_classifier(make_classifier(1), tmp_path / "second")
    (first / "head.safetensors").write_bytes((second / "head.safetensors").read_bytes())
    with pytest.raises(TrainingError, match="belongs to another encoder"):
        load_classifier(first)
    (first / "head.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="head.safetensors"):
        load_classifier(first)
    (first / "head.safetensors").unlink()
    with pytest.raises(TrainingError, match="holds no classifier: head.safetensors is missing"):
        load_classifier(first)


def test_a_head_of_another_kind_is_refused(make_classifier, tmp_path):
    from safetensors.torch import save_file

    folder = save_classifier(make_classifier(), tmp_path / "mine")
    save_file({"weight": torch.zeros(1)}, folder / "head.safetensors")
    with pytest.raises(TrainingError, match="is not the head of a classifier"):
        load_classifier(folder)


def test_where_a_run_is_named_instead_its_classifiers_are_told(make_classifier, tmp_path):
    kept = save_classifier(make_classifier(0), tmp_path / "classifiers" / "fine-tune")
    with pytest.raises(TrainingError, match=f"its classifiers are {re.escape(str(kept))}"):
        load_classifier(tmp_path)


def test_a_save_that_is_cut_short_leaves_no_classifier(make_classifier, tmp_path, monkeypatch):
    folder = save_classifier(make_classifier(0), tmp_path / "mine")
    other = make_classifier(1)
    monkeypatch.setattr(other.encoder, "save", lambda place: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_classifier(other, folder)
    with pytest.raises(TrainingError, match="holds no classifier"):
        load_classifier(folder)
