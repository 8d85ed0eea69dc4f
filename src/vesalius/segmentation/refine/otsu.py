"""Otsu's threshold: the cut of a histogram with the most variance between its two sides.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.evaluation.localisation.measures import otsu_threshold
from vesalius.segmentation.checked import checked_map

if TYPE_CHECKING:
    from jaxtyping import Bool


def otsu(heat_HW: Any, image: np.ndarray | None = None) -> Bool[np.ndarray, "H W"]:
    """Return the pixels above :func:`~vesalius.evaluation.localisation.measures.otsu_threshold`.

    Where all values are equal no pixel is. The image is not looked at.

    Raises:
        DataError: the map is not finite, or the image of another size or kind.

    >>> otsu([[0.0, 0.2], [0.1, 5.0]]).tolist()
    [[False, False], [False, True]]
    """
    heat_HW = checked_map(heat_HW, image)
    if heat_HW.size == 0:
        return np.zeros(heat_HW.shape, bool)
    return np.asarray(heat_HW > otsu_threshold(heat_HW))
