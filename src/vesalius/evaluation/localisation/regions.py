"""The reference region of a finding, as a mask over the pixels of the original image.

Legend: H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import Box, Case, DataError, Mask

if TYPE_CHECKING:
    from jaxtyping import Bool

Region = Mask | np.ndarray | Sequence[Box]


def region_mask(region: Region, shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Return a mask, or the union of boxes, as truth values of the image's shape.

    A pixel is in a box where its centre is; a box too small to hold any centre takes the pixel it
    lies on. What reaches over the edge is cut off.

    Raises:
        DataError: a mask of another shape, a box with no size or wholly outside the image.

    >>> region_mask([Box("Mass", 1, 0, 2, 1)], (2, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    if isinstance(region, Mask | np.ndarray):
        values_HW = region.values_HW if isinstance(region, Mask) else region
        if values_HW.shape != shape:
            raise DataError(f"a reference mask has shape {values_HW.shape}, its map {shape}")
        return np.asarray(values_HW) != 0
    mask_HW = np.zeros(shape, dtype=bool)
    for box in region:
        rows = _covered(box, box.y, box.height, shape[0])
        mask_HW[rows, _covered(box, box.x, box.width, shape[1])] = True
    return mask_HW


def reference(case: Case, finding: str) -> Region | None:
    """Return what a case holds of a finding: its mask, or its boxes; None where there is neither.

    An empty mask is none: nothing is there to be found.
    """
    mask = case.masks.get(finding)
    if mask is not None and mask.values_HW.any():
        return mask
    return [box for box in case.boxes if box.label == finding] or None


def _covered(box: Box, start: float, size: float, pixels: int) -> slice:
    """Return the pixels along one side whose centres lie in the box."""
    if not (np.isfinite(start) and np.isfinite(size) and size > 0):
        raise DataError(f"{box} has no size")
    if start >= pixels or start + size <= 0:
        raise DataError(f"{box} lies outside its image, which has {pixels} pixels on that side")
    first, last = (int(np.ceil(edge - 0.5)) for edge in (start, start + size))
    first, last = max(first, 0), min(last, pixels)
    if first >= last:  # between two centres
        first = min(max(int(start + size / 2), 0), pixels - 1)
        last = first + 1
    return slice(first, last)
