"""How well one map finds one region. Maps are raw: no measure here scales them to 0…1.

A map that is the same everywhere points nowhere: it misses, whatever its value.

Legend: H W pixels of the original image, T thresholds, B bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

BINS = 256


def pointing_game(
    map_HW: Float[np.ndarray, "H W"], region_HW: Bool[np.ndarray, "H W"], *, tolerance: float = 0
) -> float:
    """Return 1 where the map's maximum lies in the region, else 0; ties give their share of hits.

    ``tolerance``: so many pixels from the region (Euclidean) still hit; Zhang et al. 2018 (top-down
    neural attention) allow 15, the default none.

    >>> pointing_game(np.array([[0.0, 3.0], [3.0, 1.0]]), np.array([[0, 1], [0, 0]], bool))
    0.5
    """
    if is_constant(map_HW):
        return 0.0
    return float(widened(region_HW, tolerance)[map_HW == map_HW.max()].mean())


def mass_in_box(map_HW: Float[np.ndarray, "H W"], region_HW: Bool[np.ndarray, "H W"]) -> float:
    """Return the share of the map's positive part that lies in the region; 0 without such a part.

    Also known as the energy-based pointing game (Wang et al. 2020, Score-CAM).

    >>> mass_in_box(np.array([[-5.0, 3.0], [1.0, 0.0]]), np.array([[1, 1], [0, 0]], bool))
    0.75
    """
    if is_constant(map_HW):
        return 0.0
    positive_HW = np.maximum(map_HW, 0).astype(np.float64)
    peak = positive_HW.max()
    if peak == 0:
        return 0.0
    positive_HW /= peak  # the sum of large values stays finite
    return float(positive_HW[region_HW].sum() / positive_HW.sum())


def overlap_at(
    map_HW: Float[np.ndarray, "H W"], region_HW: Bool[np.ndarray, "H W"], threshold: float
) -> tuple[float, float]:
    """Return IoU and Dice of the pixels above a threshold (map > threshold) with the region.

    >>> overlap_at(np.array([[0.1, 0.6], [0.9, 0.2]]), np.array([[0, 1], [0, 0]], bool), 0.5)
    (0.5, 0.6666666666666666)
    """
    if is_constant(map_HW):
        return 0.0, 0.0
    above_HW = map_HW > threshold
    both, either = int((above_HW & region_HW).sum()), int((above_HW | region_HW).sum())
    return both / either, 2 * both / (both + either)


def ious_at(
    map_HW: Float[np.ndarray, "H W"],
    region_HW: Bool[np.ndarray, "H W"],
    threshold_T: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "T"]:
    """Return the IoU at each of many rising thresholds, from one pass over the map."""
    if is_constant(map_HW):
        return np.zeros(len(threshold_T))
    inside, outside = np.sort(map_HW[region_HW]), np.sort(map_HW[~region_HW])
    both_T = len(inside) - np.searchsorted(inside, threshold_T, side="right")
    wrong_T = len(outside) - np.searchsorted(outside, threshold_T, side="right")
    return both_T / (len(inside) + wrong_T)


def otsu_threshold(map_HW: Float[np.ndarray, "H W"]) -> float:
    """Return the cut between two classes of values with the greatest variance between them.

    Over 256 bins from the least to the greatest value, at the edge between two bins, so that none
    is torn (scikit-image's is the centre of the bin below): what lies above it is foreground. A map
    that is the same everywhere gets its own value: nothing lies above.

    Source: Otsu 1979.
    """
    if is_constant(map_HW):
        return float(map_HW.flat[0])
    least, reach = float(map_HW.min()), float(map_HW.max()) - float(map_HW.min())
    # The cut does not depend on scale; bins of 0…1 exist for every range of values.
    counts_B, edges = np.histogram((map_HW - least) / reach, bins=BINS, range=(0.0, 1.0))
    centres_B = (edges[1:] + edges[:-1]) / 2
    below_B, sums_B = np.cumsum(counts_B)[:-1], np.cumsum(counts_B * centres_B)
    above_B = counts_B.sum() - below_B
    gap_B = sums_B[:-1] / below_B - (sums_B[-1] - sums_B[:-1]) / above_B
    best = np.argmax(below_B * above_B.astype(float) * gap_B**2)
    edge = least + reach * float(edges[best + 1])
    return max(least, float(np.nextafter(edge, -np.inf)))  # on the edge is in the bin above


def is_constant(map_HW: Float[np.ndarray, "H W"]) -> bool:
    return bool(map_HW.max() == map_HW.min())


def widened(region_HW: Bool[np.ndarray, "H W"], tolerance: float) -> Bool[np.ndarray, "H W"]:
    """Return the region with every pixel that lies within a distance of it."""
    if tolerance <= 0:
        return region_HW
    from scipy.ndimage import distance_transform_edt

    away_HW = distance_transform_edt(~region_HW)
    assert isinstance(away_HW, np.ndarray)
    return away_HW <= tolerance
