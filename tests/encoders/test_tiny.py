"""The built-in model: small, deterministic, at home on any text."""

import numpy as np
import pytest
import torch

from vesalius import encoders


@pytest.fixture(scope="module")
def tiny():
    return encoders.load("tiny", texts=["No pleural effusion.", "Left pneumothorax."] * 3)


def test_patch_features_average_to_the_embedding(tiny):
    pixels_BCHW = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image_BD = tiny.encode_image(pixels_BCHW)
        patches_BDhw = tiny.patch_features(pixels_BCHW)
    torch.testing.assert_close(patches_BDhw.mean((2, 3)), image_BD)


def test_grey_and_colour_images_of_any_shape_become_squares(tiny):
    for shape in ((300, 200), (64, 90, 3)):
        pixels_CHW = tiny.preprocess(np.zeros(shape, np.uint8))
        assert pixels_CHW.shape == (3, tiny.image_size, tiny.image_size)
        assert pixels_CHW.dtype == torch.float32
