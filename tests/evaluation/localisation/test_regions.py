"""Boxes and masks as pixels."""

import numpy as np
import pytest

from vesalius.core import Box, Case, DataError, LazyImage, Mask, mask_box
from vesalius.evaluation import reference
from vesalius.evaluation.localisation.regions import region_mask


def slow(boxes, shape):
    mask_HW = np.zeros(shape, bool)
    for i in range(shape[0]):
        for j in range(shape[1]):
            mask_HW[i, j] = any(
                b.x <= j + 0.5 < b.x + b.width and b.y <= i + 0.5 < b.y + b.height for b in boxes
            )
    return mask_HW


def test_pixels_are_in_a_box_where_their_centres_are():
    rng = np.random.default_rng(0)
    for _ in range(50):
        boxes = [Box("Mass", *rng.uniform(-3, 9, 2), *rng.uniform(3.2, 9, 2)) for _ in range(2)]
        np.testing.assert_array_equal(region_mask(boxes, (11, 13)), slow(boxes, (11, 13)))


def test_a_mask_and_the_box_around_a_rectangle_are_one():
    mask_HW = np.zeros((8, 9), bool)
    mask_HW[2:5, 3:9] = True
    np.testing.assert_array_equal(region_mask([mask_box("Mass", mask_HW)], (8, 9)), mask_HW)
    np.testing.assert_array_equal(region_mask(Mask(mask_HW, "Mass"), (8, 9)), mask_HW)
    np.testing.assert_array_equal(region_mask(mask_HW.astype(np.uint8) * 255, (8, 9)), mask_HW)


def test_a_box_between_two_centres_keeps_the_pixel_it_lies_on():
    mask_HW = region_mask([Box("Nodule", 3.6, 2.7, 0.2, 0.2)], (5, 5))
    assert mask_HW.sum() == 1
    assert mask_HW[2, 3]
    assert region_mask([Box("Nodule", 4.6, 4.6, 9, 9)], (5, 5)).sum() == 1


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box("Mass", 5, 0, 2, 2), "outside"),
        (Box("Mass", 0, -3, 2, 3), "outside"),
        (Box("Mass", 1, 1, 0, 2), "no size"),
        (Box("Mass", 1, np.nan, 2, 2), "no size"),
    ],
)
def test_a_box_that_holds_nothing_of_the_image_is_refused(box, words):
    with pytest.raises(DataError, match=words):
        region_mask([box], (5, 5))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(DataError, match=r"shape \(4, 5\), its map \(5, 5\)"):
        region_mask(np.ones((4, 5), bool), (5, 5))


def test_a_case_gives_its_mask_before_its_boxes():
    box, other = Box("Mass", 0, 0, 2, 2), Box("Nodule", 0, 0, 1, 1)
    full, empty = Mask(np.ones((3, 3), bool), "Mass"), Mask(np.zeros((3, 3), bool), "Mass")

    def case(**more):
        return Case("a", None, LazyImage([], 0), boxes=(box, other), **more)

    assert reference(case(), "Mass") == [box]
    assert reference(case(masks={"Mass": full}), "Mass") is full
    assert reference(case(masks={"Mass": empty}), "Mass") == [box]
    assert reference(case(), "Hernia") is None
