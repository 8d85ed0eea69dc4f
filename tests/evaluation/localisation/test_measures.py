"""One map against one region."""

import numpy as np
import pytest

from vesalius.evaluation.localisation.measures import (
    ious_at,
    mass_in_box,
    otsu_threshold,
    overlap_at,
    pointing_game,
    widened,
)


def drawn(seed=0, shape=(17, 23)):
    rng = np.random.default_rng(seed)
    region_HW = np.zeros(shape, bool)
    region_HW[4:9, 5:14] = True
    return rng.normal(size=shape) + region_HW, region_HW


def test_the_maximum_hits_or_misses():
    map_HW, region_HW = np.zeros((5, 6)), np.zeros((5, 6), bool)
    region_HW[1:3, 2:5] = True
    map_HW[2, 4] = 1e-9
    assert pointing_game(map_HW, region_HW) == 1
    map_HW[4, 0] = 1.0
    assert pointing_game(map_HW, region_HW) == 0


def test_equal_maxima_share_the_hit():
    map_HW, region_HW = np.zeros((4, 4)), np.zeros((4, 4), bool)
    region_HW[0] = True
    map_HW[0, 0] = map_HW[3, 0] = map_HW[3, 1] = map_HW[3, 3] = 2.0
    assert pointing_game(map_HW, region_HW) == 0.25


def test_the_tolerance_is_a_circle_around_the_region():
    map_HW, region_HW = np.zeros((9, 9)), np.zeros((9, 9), bool)
    region_HW[4, 4] = True
    map_HW[7, 8] = 1.0  # 3 down, 4 across: 5 pixels away
    assert pointing_game(map_HW, region_HW, tolerance=4.99) == 0
    assert pointing_game(map_HW, region_HW, tolerance=5) == 1
    rows, columns = np.indices((9, 9))
    np.testing.assert_array_equal(widened(region_HW, 3), (rows - 4) ** 2 + (columns - 4) ** 2 <= 9)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, 1e30])
def test_a_map_that_is_the_same_everywhere_misses(value):
    map_HW, region_HW = np.full((6, 6), value), np.ones((6, 6), bool)
    region_HW[0] = False
    assert pointing_game(map_HW, region_HW) == 0
    assert mass_in_box(map_HW, region_HW) == 0
    assert overlap_at(map_HW, region_HW, otsu_threshold(map_HW)) == (0, 0)
    assert overlap_at(map_HW, region_HW, -2.0) == (0, 0)
    assert ious_at(map_HW, region_HW, np.array([-2.0, 0.0])).tolist() == [0, 0]


def test_only_the_positive_part_has_mass():
    map_HW, region_HW = drawn()
    positive = [(map_HW[i, j], region_HW[i, j]) for i in range(17) for j in range(23)]
    inside = sum(v for v, inner in positive if v > 0 and inner)
    assert mass_in_box(map_HW, region_HW) == pytest.approx(
        inside / sum(v for v, _ in positive if v > 0), abs=1e-12
    )
    assert mass_in_box(-np.abs(map_HW) - 1, region_HW) == 0


def test_no_measure_depends_on_the_scale_of_a_map():
    map_HW, region_HW = drawn(1)
    for factor in (1e-30, 1e-3, 7.0, 1e300):
        scaled_HW = factor * map_HW
        assert pointing_game(scaled_HW, region_HW) == pointing_game(map_HW, region_HW)
        assert mass_in_box(scaled_HW, region_HW) == pytest.approx(mass_in_box(map_HW, region_HW))
        assert overlap_at(scaled_HW, region_HW, otsu_threshold(scaled_HW)) == pytest.approx(
            overlap_at(map_HW, region_HW, otsu_threshold(map_HW)), abs=1e-2
        )


def test_overlap_equals_sets_of_pixels():
    map_HW, region_HW = drawn(2)
    for threshold in (-1.0, 0.0, 0.7, 99.0):
        mine, theirs = set(np.flatnonzero(map_HW > threshold)), set(np.flatnonzero(region_HW))
        iou, dice = overlap_at(map_HW, region_HW, threshold)
        assert iou == pytest.approx(len(mine & theirs) / len(mine | theirs), abs=1e-12)
        assert dice == pytest.approx(2 * len(mine & theirs) / (len(mine) + len(theirs)), abs=1e-12)


def test_many_thresholds_at_once_equal_one_after_another():
    map_HW, region_HW = drawn(3)
    threshold_T = np.sort(np.append(np.linspace(-3, 3, 40), map_HW.flat[:20]))
    each = [overlap_at(map_HW, region_HW, t)[0] for t in threshold_T]
    np.testing.assert_allclose(ious_at(map_HW, region_HW, threshold_T), each, atol=1e-12)


def test_otsu_is_the_upper_edge_of_scikit_images_bin():
    filters = pytest.importorskip("skimage.filters")
    for seed in range(20):
        map_HW, _ = drawn(seed)
        map_HW = np.exp(map_HW) if seed % 2 else map_HW
        half_a_bin = (map_HW.max() - map_HW.min()) / 256 / 2
        theirs = filters.threshold_otsu(map_HW) + half_a_bin
        assert otsu_threshold(map_HW) == pytest.approx(theirs, abs=1e-9)


def test_otsu_parts_two_levels_and_survives_the_smallest_step():
    map_HW = np.array([[1.0, 1.0, 5.0], [1.0, 5.0, 5.0]])
    assert ((map_HW > otsu_threshold(map_HW)) == (map_HW == 5)).all()
    nearly_HW = np.array([[1.0, 1.0], [1.0, np.nextafter(1.0, 2.0)]])
    assert 1.0 <= otsu_threshold(nearly_HW) <= nearly_HW.max()
