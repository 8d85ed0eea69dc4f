"""Otsu's threshold: the cut of a histogram with the most variance between its two sides.

Legend of shapes: H W pixels, B bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import RecipeError
from vesalius.segmentation.checked import checked_map, is_flat

if TYPE_CHECKING:
    from jaxtyping import Bool


def otsu(
    heat_HW: Any, image: np.ndarray | None = None, *, bins: int = 256
) -> Bool[np.ndarray, "H W"]:
    """Return the pixels above the threshold of Otsu 1979, from a histogram of a map's values.

    The threshold is the edge between two bins, so that no bin is torn (scikit-image returns the
    centre of the bin below it). Without bins this is
    :func:`~vesalius.segmentation.refine.kmeans.kmeans`. The image is not looked at.

    Raises:
        DataError: the map is not finite, or the image of another size or kind.
        RecipeError: fewer than two bins.

    >>> otsu([[0.0, 0.2], [0.1, 5.0]]).tolist()
    [[False, False], [False, True]]
    """
    if bins < 2:
        raise RecipeError(f"otsu: bins is {bins}; it must be 2 or more")
    heat_HW = checked_map(heat_HW, image)
    if is_flat(heat_HW):
        return np.zeros(heat_HW.shape, bool)
    unit_HW = (heat_HW - heat_HW.min()) / (heat_HW.max() - heat_HW.min())
    counts_B, edges_B = np.histogram(unit_HW, bins=bins, range=(0.0, 1.0))
    centres_B = (edges_B[:-1] + edges_B[1:]) / 2
    below_B, sums_B = np.cumsum(counts_B)[:-1], np.cumsum(counts_B * centres_B)
    above_B = heat_HW.size - below_B
    gap_B = (sums_B[-1] - sums_B[:-1]) / above_B - sums_B[:-1] / below_B  # the ends are never empty
    cut = int((below_B * above_B * gap_B**2).argmax())
    return np.asarray(unit_HW >= edges_B[cut + 1])
