"""The random walker and GrabCut, which stand in SAM's place."""

import numpy as np
import pytest

from vesalius.core import Box, DataError, RecipeError
from vesalius.segmentation import PROMPTED, grabcut, random_walker

DISC = (np.mgrid[:60, :70][0] - 30) ** 2 + (np.mgrid[:60, :70][1] - 40) ** 2 <= 12**2
BOX = Box("mass", 28, 18, 25, 25)


def noisy(disc_HW, *, colour=False):
    rng = np.random.default_rng(5)
    values = np.where(disc_HW, 170, 80) + rng.normal(0, 12, disc_HW.shape)
    image = values.clip(0, 255).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=2) if colour else image


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


both = pytest.mark.parametrize("segmenter", [random_walker, grabcut])


@both
@pytest.mark.parametrize("colour", [False, True])
def test_a_box_around_a_disc_gives_the_disc(segmenter, colour):
    mask_HW = segmenter(noisy(DISC, colour=colour), [BOX])[0]
    inside_HW = np.zeros(DISC.shape, bool)
    inside_HW[18:43, 28:53] = True
    assert dice(mask_HW, DISC) > 0.95 > dice(inside_HW, DISC)


@both
def test_a_mask_stays_in_its_box(segmenter):
    small = Box("mass", 35, 25, 9, 7)
    masks_KHW = segmenter(noisy(DISC), [BOX, small])
    outside_HW = np.ones(DISC.shape, bool)
    outside_HW[25:32, 35:44] = False
    assert masks_KHW.shape == (2, 60, 70)
    assert not (masks_KHW[1] & outside_HW).any()
    assert masks_KHW.any((1, 2)).all()


def test_the_point_says_which_of_two_is_meant():
    two_HW = DISC | np.roll(DISC, -28, axis=1)
    wide = Box("mass", 0, 18, 53, 25)
    left_HW, right_HW = random_walker(noisy(two_HW), [wide, wide], [[12.0, 30.0], [40.0, 30.0]])
    assert left_HW[30, 12]
    assert not left_HW[30, 40]
    assert right_HW[30, 40]
    assert not right_HW[30, 12]


@both
def test_each_box_is_walked_by_itself(segmenter):
    image, other = noisy(DISC), Box("mass", 3, 4, 12, 9)
    np.testing.assert_array_equal(segmenter(image, [other, BOX])[1], segmenter(image, [BOX])[0])


@both
def test_a_box_of_one_pixel_and_one_of_the_whole_image_have_an_answer(segmenter):
    image = noisy(DISC)
    masks_KHW = segmenter(image, [Box("mass", 5, 6, 1, 1), Box("mass", 0, 0, 70, 60)])
    assert masks_KHW[0].sum() == 1
    assert masks_KHW[0, 6, 5]
    assert masks_KHW[1].any()


@both
def test_no_box_no_mask(segmenter):
    assert segmenter(noisy(DISC), []).shape == (0, 60, 70)


def test_a_point_outside_and_a_wrong_beta_are_told():
    with pytest.raises(DataError, match="not on an image"):
        random_walker(noisy(DISC), [BOX], [[70.0, 3.0]])
    with pytest.raises(RecipeError, match="beta is 0"):
        random_walker(noisy(DISC), [BOX], beta=0.0)
    with pytest.raises(RecipeError, match="iterations is 0"):
        grabcut(noisy(DISC), [BOX], iterations=0)


@both
def test_a_box_between_two_pixels_has_both(segmenter):
    mask_HW = segmenter(noisy(DISC), [Box("mass", 5.4, 6.0, 1.0, 1.0)])[0]
    assert mask_HW[6, 5]
    assert mask_HW.sum() <= 2


@both
def test_a_point_outside_its_box_is_told(segmenter):
    with pytest.raises(DataError, match="x 3, y 4 is not in its box"):
        segmenter(noisy(DISC), [BOX], [[3.0, 4.0]])


def test_grabcut_leaves_nothing_to_chance():
    image = noisy(DISC)
    first = grabcut(image, [BOX])
    for _ in range(3):
        np.testing.assert_array_equal(grabcut(image, [BOX]), first)


@pytest.mark.parametrize("name", sorted(PROMPTED))
def test_whoever_stands_in_sams_place_does_not_carry_its_name(name):
    assert "sam" not in name
