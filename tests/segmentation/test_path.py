"""The whole path: heatmap, mask, box and point, mask."""

import numpy as np
import pytest

from vesalius.core import Heatmap
from vesalius.segmentation import REFINERS, boxes_of, grabcut, points_of, random_walker, refine


def scene():
    """A bright disc, and a map that is round, coarse and a few pixels beside it."""
    y_HW, x_HW = np.mgrid[:64, :72]
    truth_HW = (y_HW - 30) ** 2 + (x_HW - 40) ** 2 <= 13**2
    noise_HW = np.random.default_rng(2).normal(0, 8, truth_HW.shape)
    image = (np.where(truth_HW, 170, 80) + noise_HW).clip(0, 255).astype(np.uint8)
    heat_HW = np.exp(-((y_HW - 33) ** 2 + (x_HW - 37) ** 2) / (2 * 14**2))
    return Heatmap(heat_HW, "gradcam", "mass"), image, truth_HW


def dice(one_HW, other_HW):
    return 2 * (one_HW & other_HW).sum() / (one_HW.sum() + other_HW.sum())


@pytest.mark.parametrize("method", sorted(REFINERS))
@pytest.mark.parametrize("segmenter", [random_walker, grabcut])
def test_a_coarse_map_ends_in_a_mask_that_is_nearer_to_the_finding(method, segmenter):
    heatmap, image, truth_HW = scene()
    mask_HW = refine(heatmap, image, method=method).values_HW
    boxes, points_K2 = boxes_of(mask_HW, label="mass"), points_of(mask_HW)
    prompted_KHW = segmenter(image, boxes, points_K2)
    assert len(prompted_KHW) == len(boxes) == len(points_K2) == 1
    assert dice(prompted_KHW[0], truth_HW) > 0.93
    assert dice(prompted_KHW[0], truth_HW) >= dice(mask_HW, truth_HW) - 0.02


def test_a_map_that_points_nowhere_ends_in_no_mask_at_all():
    _, image, _ = scene()
    nowhere = refine(Heatmap(np.zeros(image.shape), "gradcam", "mass"), image).values_HW
    assert random_walker(image, boxes_of(nowhere), points_of(nowhere)).shape == (0, 64, 72)
