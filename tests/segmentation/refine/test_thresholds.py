"""Two means and Otsu: one threshold on a map's values."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.segmentation import REFINERS, kmeans, otsu, refine
from vesalius.segmentation.refine import dense_crf

IMAGE = np.zeros((6, 8), np.uint8)


def within(values_N, mask_N):
    """The sum of squares within two clusters, as written."""
    return sum(((part - part.mean()) ** 2).sum() for part in (values_N[mask_N], values_N[~mask_N]))


def maps(count=20):
    rng = np.random.default_rng(7)
    for i in range(count):
        yield rng.normal(size=(9, 11)) ** (1 + i % 3)


def test_two_far_heaps_are_told_apart():
    heat_HW = np.array([[0.0, 0.1, 5.0], [0.2, 5.2, 0.1]])
    for refiner in (kmeans, otsu):
        assert refiner(heat_HW).tolist() == [[False, False, True], [False, True, False]]


def test_no_threshold_leaves_less_within_the_two_clusters():
    for heat_HW in maps():
        best = min(within(heat_HW, heat_HW > cut) for cut in np.sort(heat_HW, axis=None)[:-1])
        assert within(heat_HW, kmeans(heat_HW)) == pytest.approx(best, rel=1e-10)


def test_two_means_are_never_worse_than_lloyds_from_ten_starts():
    from sklearn.cluster import KMeans

    for heat_HW in maps(5):
        peer = KMeans(2, n_init=10, random_state=0).fit(heat_HW.reshape(-1, 1))
        assert within(heat_HW, kmeans(heat_HW)) <= peer.inertia_ * (1 + 1e-9)


def test_otsu_cuts_where_scikit_image_does():
    from skimage.filters import threshold_otsu

    for heat_HW in maps():
        half_a_bin = (heat_HW.max() - heat_HW.min()) / 256 / 2
        theirs = heat_HW >= threshold_otsu(heat_HW) + half_a_bin
        np.testing.assert_array_equal(otsu(heat_HW), theirs)


@pytest.mark.parametrize("refiner", [kmeans, otsu])
def test_masks_do_not_change_with_scale_and_shift(refiner):
    for heat_HW in maps(5):
        np.testing.assert_array_equal(refiner(heat_HW), refiner(1e-3 * heat_HW + 4))


def test_tiny_values_are_clustered_as_large_ones():
    heat_HW = next(iter(maps(1)))
    np.testing.assert_array_equal(kmeans(heat_HW), kmeans(1e-250 * heat_HW))


@pytest.mark.parametrize("method", sorted(REFINERS))
@pytest.mark.parametrize("value", [0.0, -3.0, 0.1])
def test_a_flat_map_points_nowhere(method, value):
    from vesalius.core import Heatmap

    mask = refine(Heatmap(np.full((6, 8), value), "occlusion", "mass"), IMAGE, method=method)
    assert mask.values_HW.dtype == bool
    assert mask.values_HW.shape == (6, 8)
    assert not mask.values_HW.any()
    assert (mask.target, mask.method) == ("mass", f"occlusion, {method}")


@pytest.mark.parametrize("refiner", [kmeans, otsu])
def test_a_map_without_pixels_gives_a_mask_without_pixels(refiner):
    assert refiner(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("refiner", [kmeans, otsu, dense_crf])
@pytest.mark.parametrize(
    ("heat", "image", "says"),
    [
        (np.zeros((6, 9)), IMAGE, "6 × 9 does not lie on an image of 6 × 8"),
        (np.full((6, 8), np.nan), IMAGE, "48 values of a heatmap are not finite"),
        (np.zeros(6), IMAGE, "H × W numbers"),
        (np.zeros((6, 8)), IMAGE.astype(np.uint16), "an image is uint8.*not uint16"),
        (np.zeros((6, 8)), np.zeros((6, 8, 4), np.uint8), r"\(6, 8, 4\)"),
    ],
)
def test_what_does_not_fit_is_told(refiner, heat, image, says):
    with pytest.raises(DataError, match=says):
        refiner(heat, image)


def test_only_the_largest_components_stay_unless_all_are_wanted():
    from vesalius.core import Heatmap

    heat = Heatmap(np.array([[9.0, 9.0, 0.0, 9.0]]), "gradcam", "mass")
    assert refine(heat).values_HW.tolist() == [[True, True, False, False]]
    assert refine(heat, keep=None).values_HW.tolist() == [[True, True, False, True]]


def test_an_unknown_refiner_is_answered_with_the_nearest():
    from vesalius.core import ChoiceError, Heatmap

    with pytest.raises(ChoiceError, match="did you mean 'otsu'"):
        refine(Heatmap(np.zeros((2, 2)), "gradcam", "mass"), method="otzu")
