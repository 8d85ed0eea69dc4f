"""The built-in model: small, deterministic, at home on any text."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

from vesalius import encoders


@pytest.fixture(scope="module")
def tiny():
    return encoders.load("tiny", texts=["No pleural effusion.", "Left pneumothorax."] * 3)


def test_an_image_of_one_patch_is_its_patch(tiny):
    pixels_BCHW = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        patches_BDhw = tiny.patch_features(pixels_BCHW)
        assert patches_BDhw.shape[2:] == (1, 1)
        torch.testing.assert_close(patches_BDhw[..., 0, 0], tiny.encode_image(pixels_BCHW))


def test_exposure_and_contrast_change_nothing(tiny):
    pixels_BCHW = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain, relit = tiny.encode_image(pixels_BCHW), tiny.encode_image(0.7 * pixels_BCHW + 0.2)
        assert torch.isfinite(tiny.encode_image(torch.ones(1, 3, 112, 112))).all()
    torch.testing.assert_close(relit, plain, rtol=1e-2, atol=1e-3)


def test_grey_and_colour_images_of_any_shape_become_squares(tiny):
    for shape in ((300, 200), (64, 90, 3)):
        pixels_CHW = tiny.preprocess(np.zeros(shape, np.uint8))
        assert pixels_CHW.shape == (3, tiny.image_size, tiny.image_size)
        assert pixels_CHW.dtype == torch.float32


def test_saved_weights_are_the_same_bytes_in_every_run(tmp_path):
    # several keys of metadata are written in an order that changes from run to run
    encoders.load("tiny", image_size=32).save(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as opened:
        assert list(opened.metadata()) == ["config"]


def test_a_bias_learnt_with_sigmoids_comes_back_and_one_taken_away_stays_away(tmp_path):
    model = encoders.load("tiny", image_size=32)
    assert model.scores == "softmax"
    model.logit_bias = torch.nn.Parameter(torch.tensor(-7.5))
    again = encoders.load(str(model.save(tmp_path)))
    assert again.logit_bias.item() == -7.5
    assert again.scores == "sigmoid"
    again.logit_bias = None
    assert encoders.load(str(again.save(tmp_path))).scores == "softmax"
