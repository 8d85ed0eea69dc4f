"""What a stage takes from the cases, and what it says where that is more than was asked for."""

import logging
from types import SimpleNamespace

import pytest

from vesalius import data
from vesalius.studies.inputs import labelled


@pytest.fixture(scope="module")
def context():
    cases = data.read("phantom", n=120, image_size=48)
    return SimpleNamespace(cases=data.split(cases, by="patient", seed=0), seed=0)


def test_a_share_of_labels_that_must_be_larger_to_show_every_label_is_said(context, caplog):
    kept = labelled(context, "knn", share=0.01)
    used = int((kept.splits == "train").sum())
    assert f"{used} are used" in caplog.text
    assert "labels=0.01" in caplog.text


def test_a_share_that_is_kept_is_not_remarked_on(context, caplog):
    with caplog.at_level(logging.WARNING):
        labelled(context, "knn", share=0.5)
    assert not caplog.text
