"""Overlap and outline distances of two masks, against slow loops and MONAI."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation.segmentation.overlap import dsc, iou
from vesalius.evaluation.segmentation.surface import hd95, nsd, outline, surface_distances


def blobs(seed, shape=(19, 24)):
    """Return two overlapping masks with holes and pieces, some of which touch the edge."""
    rng = np.random.default_rng(seed)
    axes = np.indices(shape)
    masks = []
    for _ in range(2):
        mask = np.zeros(shape, bool)
        for _ in range(3):
            centre = rng.uniform(0, shape).reshape(-1, *[1] * len(shape))
            mask |= ((axes - centre) ** 2).sum(0) < rng.uniform(2, 6) ** 2
        masks.append(mask & (rng.random(shape) > 0.03))
    return masks


def slow_outline(mask):
    found = []
    for place in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                beside = place.copy()
                beside[axis] += step
                inside = (beside >= 0).all() and (beside < mask.shape).all()
                if not (inside and mask[tuple(beside)]):
                    found.append(tuple(place))
    return sorted(set(found))


def slow_distances(predicted, truth, spacing):
    one, other = (np.array(slow_outline(m)) * spacing for m in (predicted, truth))

    def away(mine, theirs):
        return [min(np.sqrt(((a - b) ** 2).sum()) for b in theirs) for a in mine]

    return away(one, other), away(other, one)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((19, 24), (1, 1)), ((15, 12), (0.7, 2.3)), ((6, 7, 8), (3, 1, 0.5))]
)
def test_distances_equal_a_loop_over_all_pairs_of_outline_pixels(shape, spacing):
    for seed in range(3):
        predicted, truth = blobs(seed, shape)
        slow = slow_distances(predicted, truth, spacing)
        got = surface_distances(predicted, truth, spacing=spacing)
        np.testing.assert_allclose(np.sort(got.of_predicted_D), np.sort(slow[0]), atol=1e-10)
        np.testing.assert_allclose(np.sort(got.of_truth_D), np.sort(slow[1]), atol=1e-10)
        near = sum(d <= 2 for way in slow for d in way)
        share = near / sum(len(way) for way in slow)
        assert nsd(predicted, truth, spacing=spacing) == pytest.approx(share, abs=1e-12)
        expected = max(np.percentile(way, 95) for way in slow)
        assert hd95(predicted, truth, spacing=spacing) == pytest.approx(expected, abs=1e-10)


def test_the_outline_is_what_touches_the_outside_or_the_images_edge():
    mask = np.ones((4, 5), bool)
    assert outline(mask).sum() == 14
    predicted, _ = blobs(5)
    assert sorted(map(tuple, np.argwhere(outline(predicted)))) == slow_outline(predicted)


def test_a_shifted_square_lies_as_far_as_it_was_shifted():
    one, other = np.zeros((2, 30, 30), dtype=bool)
    one[5:15, 5:15] = other[5:15, 8:18] = True
    assert hd95(one, other) == 3
    assert hd95(one, other, spacing=(9.0, 0.5)) == 1.5
    assert nsd(one, other, tolerance=3) == 1
    assert nsd(one, other, tolerance=2.99) < 1
    assert dsc(one, other) == pytest.approx(0.7)
    assert iou(one, other) == pytest.approx(70 / 130)


def test_rounding_moves_nothing_across_the_tolerance():
    one, other = np.zeros((2, 9, 1), dtype=bool)
    one[0] = other[3] = True
    assert 3 * 0.1 > 0.3
    assert nsd(one, other, tolerance=0.3, spacing=0.1) == 1


@pytest.mark.parametrize("seed", range(4))
def test_swapping_turning_and_copying_change_nothing(seed):
    predicted, truth = blobs(seed)
    for measure in (dsc, iou, nsd, hd95):
        value = measure(predicted, truth)
        assert measure(truth, predicted) == pytest.approx(value, abs=1e-12)
        assert measure(predicted[::-1].T, truth[::-1].T) == pytest.approx(value, abs=1e-12)
    assert [m(truth, truth) for m in (dsc, iou, nsd, hd95)] == [1, 1, 1, 0]


def test_a_wider_image_changes_no_distance_inside():
    predicted, truth = (np.pad(mask, 1) for mask in blobs(0))
    for measure in (dsc, iou, nsd, hd95):
        wider = measure(np.pad(predicted, 9), np.pad(truth, 9))
        assert wider == pytest.approx(measure(predicted, truth), abs=1e-12)


def test_an_empty_mask_misses_and_two_agree():
    some, empty = np.zeros((2, 4, 7), dtype=bool)
    some[1, 2] = True
    for pair in ((some, empty), (empty, some)):
        assert [m(*pair) for m in (dsc, iou, nsd)] == [0, 0, 0]
        assert hd95(*pair) == pytest.approx(np.hypot(3, 6))
        assert hd95(*pair, spacing=(2.0, 0.5)) == pytest.approx(np.hypot(6, 3))
        assert nsd(*pair, tolerance=1e9) == 0
    assert [m(empty, empty) for m in (dsc, iou, nsd, hd95)] == [1, 1, 1, 0]


@pytest.mark.parametrize("spacing", [0.0, -1.0, (1.0, 2.0, 3.0), (1.0, np.nan)])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(DataError, match="2 for 2 axes"):
        hd95(*blobs(0), spacing=spacing)


@pytest.mark.parametrize("shape", [(19, 24), (7, 8, 9)])
def test_equals_monai(shape):
    metrics = pytest.importorskip("monai.metrics", reason="monai is in the group 'peers'")
    import torch

    spacing = [1.5, 0.5, 2.0][: len(shape)]
    for seed in range(5):
        predicted, truth = blobs(seed, shape)
        theirs = [
            torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (predicted, truth)
        ]
        found = {
            "dsc": metrics.compute_dice(*theirs),
            "iou": metrics.compute_iou(*theirs),
            "nsd": metrics.compute_surface_dice(
                *theirs, class_thresholds=[2.0], include_background=True, spacing=spacing
            ),
            "hd95": metrics.compute_hausdorff_distance(
                *theirs, include_background=True, percentile=95, spacing=spacing
            ),
        }
        mine = {
            "dsc": dsc(predicted, truth),
            "iou": iou(predicted, truth),
            "nsd": nsd(predicted, truth, spacing=spacing),
            "hd95": hd95(predicted, truth, spacing=spacing),
        }
        # in single precision
        assert mine == pytest.approx({k: float(v) for k, v in found.items()}, rel=1e-6)
