"""What every explainer promises, whatever it computes."""

from importlib import import_module

import numpy as np
import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders import load
from vesalius.encoders.timm_images import TimmTower
from vesalius.explanation import EXPLAINERS

from .nets import of, same, state

torch.set_num_threads(1)
REGARDLESS = ("attention_rollout",)
"""Explainers that do not ask the targets: their maps are the same for each."""


@pytest.fixture(params=EXPLAINERS)
def name(request):
    return request.param


@pytest.fixture
def explain(name):
    place, function = EXPLAINERS[name].split(":")
    return getattr(import_module(place), function)


@pytest.fixture
def vit(small_tower):
    return of(TimmTower(small_tower("timm ViT"), name="small"), 160, 64)


def films():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 255, shape, dtype=np.uint8) for shape in ((80, 64), (50, 90, 3))]


SCORES = {
    "third": lambda image_BD: image_BD[:, 3],
    "ninth": lambda image_BD: image_BD[:, 9],
    "fixed": lambda image_BD: image_BD[:, 0] * 0 + 3,
}


def test_every_image_has_a_map_a_target_in_its_own_pixels_and_the_model_is_as_it_was(
    name, explain, vit
):
    vit.train()
    before = state(vit)
    found = explain(vit, films(), SCORES)
    assert same(state(vit), before)
    assert len(found) == 2
    for film, maps in zip(films(), found, strict=True):
        assert [heat.target for heat in maps] == list(SCORES)
        for heat in maps:
            assert (heat.method, heat.values_HW.dtype) == (name, np.float32)
            assert heat.values_HW.shape == film.shape[:2]
            assert np.isfinite(heat.values_HW).all()
        assert maps[0].values_HW.any()
        if name not in REGARDLESS:
            assert np.abs(maps[0].values_HW - maps[1].values_HW).max() > 0
            assert not maps[2].values_HW.any(), "a score that ignores the image has no map"
    again = explain(vit, films()[1:], SCORES)[0]
    for heat, repeated in zip(found[1], again, strict=True):
        scale = np.abs(heat.values_HW).max() + 1e-12
        np.testing.assert_allclose(repeated.values_HW / scale, heat.values_HW / scale, atol=2e-4)
    assert explain(vit, [], SCORES) == []
    assert explain(vit, films(), {}) == [[], []]


def test_an_error_leaves_the_model_as_it_was(name, explain, vit):
    if name in REGARDLESS:
        pytest.skip("asks no score")
    vit.train()
    before = state(vit)
    with pytest.raises(ZeroDivisionError):
        explain(vit, films(), {"broken": lambda image_BD: 1 / 0})
    assert same(state(vit), before)
    with pytest.raises(ModelError, match="wanted is one for each"):
        explain(vit, films(), {"all": lambda image_BD: image_BD})
    with pytest.raises(ModelError, match="sees images only"):
        explain(vit, films(), ["a nodule"])
    assert same(state(vit), before)


def test_a_text_beyond_the_context_counts_to_its_end_and_a_large_film_has_a_large_map(
    name, explain
):
    if name in ("attention_rollout", "relevance"):
        pytest.skip("tiny is a ConvNet")
    model = load("tiny", texts=["a nodule", "no effusion"], image_size=32)
    large = np.random.default_rng(0).integers(0, 255, (1500, 1200), dtype=np.uint8)
    cut, longer = explain(model, [large], ["a nodule " * 200, "a nodule " * 300])[0]
    assert cut.values_HW.shape == (1500, 1200)
    np.testing.assert_array_equal(cut.values_HW, longer.values_HW)
