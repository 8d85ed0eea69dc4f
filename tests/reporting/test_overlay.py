"""Overlays: colour follows the sign and size of values; what does not fit is named."""

from io import BytesIO

import numpy as np
import pytest

from vesalius.core import Box, DataError, Mask
from vesalius.reporting.figures import overlays
from vesalius.reporting.figures.overlay import heated

GREY = np.full((30, 40), 100, np.uint8)


def test_colour_covers_in_proportion_and_says_the_sign():
    values = np.zeros((30, 40))
    values[0, :3] = [4, -4, 2]
    shown = heated(GREY, values).astype(int)
    assert shown[0, 0, 0] > shown[0, 2, 0] > 100 > shown[0, 0, 2]
    assert shown[0, 1, 2] > 100 > shown[0, 1, 0]
    assert (shown[1:] == 100).all()
    np.testing.assert_array_equal(heated(GREY, values * 9), shown)


def test_a_map_of_zeros_is_the_image():
    assert (heated(GREY, np.zeros((30, 40))) == 100).all()


def test_panels_of_methods_become_one_figure_the_same_each_time():
    rng = np.random.default_rng(0)
    maps = {"signed": rng.normal(size=(30, 40)), "zero": np.zeros((30, 40)), "sure": np.eye(30, 40)}
    mask = np.zeros((30, 40), bool)
    mask[5:10, 5:20] = True

    def figure():
        return overlays(
            GREY, maps, boxes=[Box("nodule", 3, 4, 10, 10)], masks=[Mask(mask, "nodule")],
            caption="A case",
        )  # fmt: skip

    from PIL import Image

    with Image.open(BytesIO(figure().data)) as picture:
        assert picture.width > 3 * picture.height
    assert figure().data == figure().data
    assert "signed, zero, sure" in figure().alt


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "no map to show"),
        ({"a": np.zeros((4, 4))}, r"map 'a' is of \(4, 4\), the image of \(30, 40\)"),
        ({"a": np.full((30, 40), np.nan)}, "map 'a' holds values that are not finite"),
    ],
)
def test_maps_that_do_not_fit_are_named(maps, message):
    with pytest.raises(DataError, match=message):
        overlays(GREY, maps)
