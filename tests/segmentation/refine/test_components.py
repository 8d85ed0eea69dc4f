"""Components of a mask, and the boxes and points that they make."""

import numpy as np
import pytest

from vesalius.core import Box, DataError, RecipeError
from vesalius.segmentation import boxes_of, largest_components, points_of

THREE = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], bool)
CRESCENT = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]], bool)


def test_components_come_by_size_then_from_the_top():
    assert largest_components(THREE, keep=1).sum() == 3
    assert largest_components(THREE, keep=2).sum() == 5
    np.testing.assert_array_equal(largest_components(THREE, keep=9), THREE)
    equal = np.array([[0, 0, 1], [1, 0, 0]], bool)
    np.testing.assert_array_equal(largest_components(equal)[0], [False, False, True])


def test_corners_connect():
    np.testing.assert_array_equal(largest_components(np.eye(4, dtype=bool)), np.eye(4, dtype=bool))


def test_each_component_has_its_tight_box_and_a_point_within():
    boxes, points_K2 = boxes_of(THREE, label="mass"), points_of(THREE)
    assert boxes == (Box("mass", 0, 0, 2, 2), Box("mass", 3, 2, 2, 1), Box("mass", 4, 0, 1, 1))
    for box, (x, y) in zip(boxes, points_K2, strict=True):
        assert THREE[int(y), int(x)]
        assert box.x <= x < box.x + box.width
        assert box.y <= y < box.y + box.height


def test_the_point_of_a_crescent_lies_on_it():
    x, y = points_of(CRESCENT)[0].astype(int)
    assert CRESCENT[y, x]


def test_the_point_is_the_pixel_farthest_from_any_other():
    mask_HW = np.random.default_rng(1).random((12, 13)) > 0.25
    mask_HW = largest_components(mask_HW)
    outside = [(y, x) for y in range(-1, 13) for x in range(-1, 14)
               if not (0 <= y < 12 and 0 <= x < 13 and mask_HW[y, x])]  # fmt: skip

    def depth(y, x):
        return min((y - b) ** 2 + (x - a) ** 2 for b, a in outside)

    x, y = points_of(mask_HW)[0]
    assert depth(y, x) == max(depth(*place) for place in np.argwhere(mask_HW))


def test_an_empty_mask_has_no_parts():
    empty = np.zeros((3, 4), bool)
    assert not largest_components(empty).any()
    assert boxes_of(empty) == ()
    assert points_of(empty).shape == (0, 2)


@pytest.mark.parametrize("function", [largest_components, boxes_of, points_of])
@pytest.mark.parametrize("mask", [np.zeros((3, 4)), np.zeros(3, bool), [[True]]])
def test_what_is_no_mask_is_told(function, mask):
    with pytest.raises(DataError, match="a mask is H × W truths"):
        function(mask)


def test_no_component_is_not_a_choice():
    with pytest.raises(RecipeError, match="keep is 0"):
        largest_components(THREE, keep=0)
