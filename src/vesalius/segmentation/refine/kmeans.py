"""Two clusters of a heatmap's values: the higher one is the mask.

Legend of shapes: H W pixels, N pixels in order of their values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.segmentation.checked import checked_map, is_flat

if TYPE_CHECKING:
    from jaxtyping import Bool


def kmeans(heat_HW: Any, image: np.ndarray | None = None) -> Bool[np.ndarray, "H W"]:
    """Return the pixels in the higher of the two clusters (k-means, k = 2) of a map's values.

    On a line two clusters are one threshold, so the best of all partitions is found at once: no
    start, no iterations, no chance. It is the cut between sorted values with the least sum of
    squares within, hence with the most between, N₀N₁(x̄₁ − x̄₀)². Of equal cuts the lowest is taken.
    The image is not looked at.

    Raises:
        DataError: the map is not finite, or the image of another size or kind.

    Source: the refinement of Koleilat et al. 2025 (MedCLIP-SAMv2).

    >>> kmeans([[0.0, 0.2], [0.1, 5.0]]).tolist()
    [[False, False], [False, True]]
    """
    heat_HW = checked_map(heat_HW, image)
    if is_flat(heat_HW):
        return np.zeros(heat_HW.shape, bool)
    low, high = heat_HW.min(), heat_HW.max()
    scaled_HW = heat_HW / max(abs(low), abs(high))  # squares of the smallest floats are not lost
    sorted_N = np.sort(scaled_HW, axis=None)
    sums_N = np.cumsum(sorted_N - sorted_N.mean())
    below_N = np.arange(1, sorted_N.size)
    # the sum of all is 0: x̄₁ − x̄₀ = −S₀/N₁ − S₀/N₀, so that the spread between is S₀² N/(N₀N₁)
    between_N = sums_N[:-1] ** 2 / (below_N * (sorted_N.size - below_N))
    between_N[sorted_N[1:] == sorted_N[:-1]] = -1.0  # equal values are of one cluster
    cut: int = int(between_N.argmax())
    return np.asarray(scaled_HW > sorted_N[cut])
