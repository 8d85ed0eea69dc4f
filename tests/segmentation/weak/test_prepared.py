"""Images, masks and weights at one side: what is ignored, and what is refused."""

import numpy as np
import pytest
import torch

from vesalius.core import ArrayImages, DataError, Mask
from vesalius.segmentation.weak.prepared import normalised, prepared, trusted


def made(images, masks, confidence=None, size=16, channels=1):
    return prepared(images, masks, confidence, size=size, channels=channels)


def test_at_its_own_side_a_mask_is_itself():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 16, 16), dtype=np.uint8)
    masks = rng.random((2, 16, 16)) > 0.5
    found = made(list(images), list(masks))
    assert torch.equal(found.truths_NSS, torch.from_numpy(masks).half())
    assert torch.equal(found.pixels_NCSS[:, 0], torch.from_numpy(images))
    assert (found.weights_NSS == 1).all()


def test_a_mask_of_0_and_255_is_one_of_false_and_true(discs):
    images, masks = discs(3)
    bytes_ = [mask.astype(np.uint8) * 255 for mask in masks]
    nouns = [Mask(mask, "disc") for mask in masks]
    one, two, three = (made(images, own).fingerprint() for own in (masks, bytes_, nouns))
    assert one == two == three


def test_a_truth_is_the_share_of_the_pixel_that_lies_inside(discs):
    images, masks = discs(3)
    for mask, truth in zip(masks, made(images, masks).truths_NSS, strict=True):
        assert float(truth.float().mean()) == pytest.approx(mask.mean(), abs=0.01)


def test_what_an_ignored_pixel_says_is_not_heard_also_where_sizes_change(discs):
    images, masks = discs(3)
    sure = [np.ones(mask.shape) for mask in masks]
    for own in sure:
        own[5:20, 7:15] = 0
    lied = [np.where(own == 0, ~mask, mask) for own, mask in zip(sure, masks, strict=True)]
    assert made(images, masks, sure).fingerprint() == made(images, lied, sure).fingerprint()


def test_cases_without_confidence_are_left_out(discs):
    images, masks = discs(4)
    found = made(images, masks, [1.0, 0.0, 0.5, np.zeros(masks[3].shape)])
    assert found.names == ["image 0", "image 2"]
    assert found.weights_NSS[:, 0, 0].tolist() == [1.0, 0.5]


def test_what_is_not_trusted_counts_nothing_case_by_case_and_pixel_by_pixel(discs):
    images, masks = discs(3)
    unsure = np.linspace(0, 1, masks[2].size).reshape(masks[2].shape)
    found = made(images, masks, trusted([0.8, 0.3, unsure], least=0.5))
    assert found.names == ["image 0", "image 2"]
    assert (found.weights_NSS[1, :7] == 0).all()
    assert (found.weights_NSS[1, 9:] >= 0.5).all()


def test_grey_images_suit_three_channels_and_colour_suits_one(discs):
    images, masks = discs(2)
    colour = [np.repeat(image[..., None], 3, axis=2) for image in images]
    grey, three = made(images, masks), made(colour, masks, channels=3)
    assert torch.equal(made(images, masks, channels=3).pixels_NCSS, three.pixels_NCSS)
    assert torch.equal(made(colour, masks).pixels_NCSS, grey.pixels_NCSS)


def test_an_image_is_normalised_by_itself_and_a_flat_one_is_nothing():
    pixels = torch.randint(0, 255, (3, 1, 9, 9), dtype=torch.uint8)
    pixels[2] = 77
    values = normalised(pixels)
    assert torch.allclose(values.mean((1, 2, 3)), torch.zeros(3), atol=1e-6)
    assert torch.allclose(values[:2].std((1, 2, 3), correction=0), torch.ones(2))
    assert torch.equal(values[2], torch.zeros(1, 9, 9))
    assert torch.equal(values[:1], normalised(pixels[:1]))


def test_an_image_columns_own_names_stand_in_what_is_said():
    values = np.zeros((2, 8, 8), np.uint8)
    column = ArrayImages(values, ["a.png", "b.png"])
    with pytest.raises(DataError, match=r"b\.png: its mask has shape \(8, 9\), the image \(8, 8\)"):
        made(column, [np.zeros((8, 8), bool), np.zeros((8, 9), bool)])


GREY, MASK = np.zeros((8, 8), np.uint8), np.ones((8, 8), bool)


@pytest.mark.parametrize(
    ("images", "masks", "confidence", "said"),
    [
        ([], [], None, "no images to learn from"),
        ([GREY], [MASK, MASK], None, "1 images, 2 masks"),
        ([GREY], [MASK], [1.0, 1.0], "2 confidences"),
        ([GREY], [MASK.astype(float)], None, "bool or uint8"),
        ([GREY], [MASK[:7]], None, r"mask has shape \(7, 8\)"),
        ([GREY.astype(np.uint16)], [MASK], None, "image 0: an image is uint8.*not uint16"),
        ([GREY[None, None]], [MASK], None, r"\(1, 1, 8, 8\)"),
        ([GREY[:0]], [MASK[:0]], None, r"\(0, 8\) has no pixels"),
        ([GREY], [MASK], [1.5], r"not within \[0, 1\]"),
        ([GREY], [MASK], [np.nan], r"not within \[0, 1\]"),
        ([GREY], [MASK], [np.ones((4, 4))], r"confidence has shape \(4, 4\)"),
        ([GREY], [MASK], [0.0], "none of 1 cases"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(images, masks, confidence, said):
    with pytest.raises(DataError, match=said):
        made(images, masks, confidence)
