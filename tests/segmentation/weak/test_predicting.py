"""Masks in the original's pixels, and how far the snapshots differ."""

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import DataError
from vesalius.evaluation.segmentation.overlap import dsc
from vesalius.segmentation import Segmenter, predict_masks, train_segmenter

SIDE = 32


class Says(nn.Conv2d):
    """A network whose logit is the normalised grey level, times a number."""

    def __init__(self, slope):
        super().__init__(1, 1, 1)
        nn.init.constant_(self.weight, slope)
        nn.init.zeros_(self.bias)


def segmenter_of(*networks, size=SIDE):
    return Segmenter(tuple(networks), size, 1, ())


def test_masks_have_the_sizes_of_their_images(discs):
    images, masks = discs(7)
    found = list(predict_masks(segmenter_of(Says(4.0)), images, batch_size=2, progress=False))
    assert [one.mask_HW.shape for one in found] == [mask.shape for mask in masks]
    assert [one.uncertainty_HW.shape for one in found] == [mask.shape for mask in masks]
    assert all(one.mask_HW.dtype == bool for one in found)


def test_a_mask_lies_where_the_disc_is_also_in_a_stretched_image():
    y, x = np.mgrid[:90, :200]
    mask = (y - 30) ** 2 + (x - 150) ** 2 < 20**2
    image = np.where(mask, 200, 50).astype(np.uint8)
    (found,) = predict_masks(segmenter_of(Says(4.0), size=96), [image], progress=False)
    assert dsc(found.mask_HW, mask) > 0.9  # a border of half a pixel of the square
    centre, expected = (np.argwhere(own).mean(0) for own in (found.mask_HW, mask))
    assert np.allclose(centre, expected, atol=0.5)


def test_the_mean_and_spread_are_those_of_the_snapshots():
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), dtype=np.uint8)
    networks = [Says(slope) for slope in (1.0, 2.0, -1.0)]
    (found,) = predict_masks(segmenter_of(*networks), [image], progress=False)
    alone = np.stack([
        next(predict_masks(segmenter_of(one), [image], progress=False)).probability_HW
        for one in networks
    ])  # fmt: skip
    levels = image.astype(float)
    first = 1 / (1 + np.exp(-(levels - levels.mean()) / levels.std()))
    assert np.allclose(alone[0], first, atol=1e-6)
    assert np.allclose(found.probability_HW, alone.mean(0), atol=1e-6)
    assert np.allclose(found.uncertainty_HW, alone.std(0), atol=1e-6)
    assert (found.mask_HW == (found.probability_HW > 0.5)).all()


def test_one_snapshot_is_never_in_doubt(discs):
    for found in predict_masks(segmenter_of(Says(1.7)), discs(3)[0], progress=False):
        assert (found.uncertainty_HW == 0).all()


def test_several_are_in_doubt_at_the_border_more_than_elsewhere(small, discs, conditions, quick):
    segmenter = train_segmenter(
        small, *discs(16), size=SIDE, checkpoints=3, conditions=conditions,
        optimisation=quick.__class__(epochs=12, batch_size=8, learning_rate=1e-2),
    )  # fmt: skip
    at_border, elsewhere = [], []
    images, masks = discs(6, seed=1)
    for found, mask in zip(predict_masks(segmenter, images, progress=False), masks, strict=True):
        down, right = np.diff(mask, axis=0), np.diff(mask, axis=1)
        border = np.zeros_like(mask)
        border[:-1] |= down
        border[1:] |= down
        border[:, :-1] |= right
        border[:, 1:] |= right
        at_border.append(found.uncertainty_HW[border].mean())
        elsewhere.append(found.uncertainty_HW[~border].mean())
    assert np.mean(at_border) > 2 * np.mean(elsewhere) > 0


def test_an_image_has_one_mask_whatever_is_in_its_batch(small, discs):
    images, _ = discs(5)
    single, together = (
        list(predict_masks(segmenter_of(small), images, batch_size=size, progress=False))
        for size in (1, 5)
    )
    for one, other in zip(single, together, strict=True):
        assert np.allclose(one.probability_HW, other.probability_HW, atol=1e-6)


def test_the_networks_come_back_as_they_were_and_gradients_stay_on_between_masks(small, discs):
    found = predict_masks(segmenter_of(small.train()), discs(3)[0], batch_size=1, progress=False)
    next(found)
    assert torch.is_grad_enabled()
    assert small.training
    found.close()


def test_the_threshold_decides(discs):
    images, _ = discs(1)
    counts = [
        next(
            predict_masks(segmenter_of(Says(1.0)), images, threshold=cut, progress=False)
        ).mask_HW.sum()
        for cut in (0.2, 0.5, 0.9)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_what_cannot_be_segmented_is_refused_at_once(discs):
    images, _ = discs(1)
    segmenter = segmenter_of(Says(1.0))
    with pytest.raises(DataError, match="no images to segment"):
        predict_masks(segmenter, [])
    for settings in ({"threshold": 1.0}, {"threshold": -0.1}, {"batch_size": 0}):
        with pytest.raises(DataError, match=next(iter(settings))):
            predict_masks(segmenter, images, **settings)
    with pytest.raises(DataError, match="image 0: an image is uint8"):
        list(predict_masks(segmenter, [images[0].astype(float)], progress=False))
