"""Placement: what the tower saw goes back to where it came from, for every geometry of the zoo."""

import numpy as np
import pytest

from vesalius.encoders.operations import Crop, Floats, Grey, Middle, Resize, Square
from vesalius.encoders.placement import on_original, seen_box
from vesalius.encoders.preprocessing import Preprocessing

SHAPES = [(180, 121), (121, 180), (150, 150), (47, 90)]
WAYS = {
    "shortest, crop": (Resize(), Crop(), Floats()),
    "larger, crop": (Resize(112), Crop(), Floats()),
    "crop rounded down": (Resize(111), Crop(rounding="down"), Floats()),
    "longest, border": (Resize(side="longest"), Crop(), Floats()),
    "longest, border, crop": (Resize(120, side="longest"), Crop(rounding="down"), Floats()),
    "both": (Resize(side="both"), Floats()),
    "middle": (Grey(), Middle(), Resize(side="both"), Floats()),
    "square": (Square(), Resize(side="both"), Floats()),
    "square in the corner": (Square(place="corner"), Resize(side="both"), Floats()),
    "square of floats": (Resize(side="longest"), Floats(), Square(at_least=0)),
}


def test_the_box_of_a_crop_and_of_a_border():
    assert seen_box(Preprocessing.usual(10), (20, 40, 3)) == (10, 0, 30, 20)
    assert seen_box(Preprocessing.usual(10, resize="longest"), (20, 40)) == (0, -8, 40, 32)
    assert seen_box(Preprocessing.usual(10, resize="squash"), (20, 40)) == (0, 0, 40, 20)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_a_spot_comes_back_to_its_place(way, shape):
    """The image that the tower sees, taken for a map, is the original again."""
    preprocess = Preprocessing(96, WAYS[way])
    y, x = shape[0] * 0.42, shape[1] * 0.55
    sigma = min(shape) / 12
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    spot_HW = 250 * np.exp(-((rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2) / 2 / sigma**2)
    seen_hw = preprocess(spot_HW.round().astype(np.uint8))[0].numpy()
    back_HW = on_original(seen_hw, seen_box(preprocess, shape), shape)
    assert back_HW.shape == shape
    centre = [(grid * back_HW).sum() / back_HW.sum() + 0.5 for grid in (rows, columns)]
    assert np.allclose(centre, [y, x], atol=0.3)


def test_a_constant_map_is_constant_inside_and_zero_outside():
    preprocess = Preprocessing.usual(32)
    found_HW = on_original(np.full((4, 4), 2.5), seen_box(preprocess, (40, 60)), (40, 60))
    assert np.allclose(found_HW[:, 10:50], 2.5)
    assert not found_HW[:, :10].any()
    assert not found_HW[:, 50:].any()


def test_between_places_it_is_as_torch_interpolates():
    import torch

    map_hw = np.random.default_rng(0).normal(size=(3, 5))
    peer = torch.nn.functional.interpolate(
        torch.from_numpy(map_hw)[None, None], (41, 37), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    found_HW = on_original(map_hw, (0, 0, 37, 41), (41, 37))
    np.testing.assert_allclose(found_HW, peer, atol=1e-6)
