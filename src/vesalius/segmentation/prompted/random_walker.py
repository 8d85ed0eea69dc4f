"""Random walks from a box's middle and from outside it: a segmenter without weights.

Not SAM: it stands in its place where there are no weights, so that the path from words to a mask
runs anywhere, and as the baseline that SAM must beat.

Legend of shapes: K objects, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import ModelError, RecipeError
from vesalius.segmentation.checked import checked_image
from vesalius.segmentation.prompted.prompts import paired, surely

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8

    from vesalius.core import Box

MARGIN = 0.25  # of a box's sides: how far around it pixels are looked at
TOLERANCE = 1e-6  # of the linear system; scikit-image's 1e-3 leaves probabilities outside [0, 1]
BACKGROUND, FOREGROUND = 1, 2


def random_walker(
    image: UInt8[np.ndarray, "H W ..."],
    boxes: Sequence[Box],
    points_K2: Any = None,
    *,
    beta: float = 130.0,
) -> Bool[np.ndarray, "K H W"]:
    """Return a mask for each box: where a random walk sooner meets the middle than the outside.

    Pixels outside the box are background, a small disc around its point (its centre where none is
    given) is foreground; of the others each belongs to that which a walk, slow across edges, is
    likelier to reach first. So a mask never leaves its box. ``beta``: how hard edges are to cross.

    Raises:
        DataError: an image of another kind, a box or a point outside it, a point outside its box.
        RecipeError: ``beta`` is not above 0.
        ModelError: scikit-image is not installed.

    Source: Grady 2006, as in scikit-image.
    """
    try:
        from skimage.segmentation import random_walker as walk
    except ImportError:
        raise ModelError(
            "random_walker needs the package scikit-image: pip install 'vesalius[segmentation]'"
        ) from None
    if not (isfinite(beta) and beta > 0):
        raise RecipeError(f"random_walker: beta is {beta!r}; it must be a number above 0")
    height, width = checked_image(image).shape[:2]
    corners_K4, places_K2 = paired(boxes, points_K2, height, width)
    if corners_K4 is None:
        return np.zeros((0, height, width), bool)
    if places_K2 is None:
        places_K2 = (corners_K4[:, :2] + corners_K4[:, 2:]) / 2
    masks_KHW = np.zeros((len(corners_K4), height, width), bool)
    for mask_HW, corners_4, place_2 in zip(masks_KHW, corners_K4, places_K2, strict=True):
        inside_HW, core_HW = surely(corners_4, place_2, height, width)
        seeds_HW = np.where(inside_HW, 0, BACKGROUND)
        seeds_HW[core_HW] = FOREGROUND
        window = _window(corners_4, height, width)
        seeds = seeds_HW[window]
        if (seeds == 0).any() and (seeds == BACKGROUND).any():
            seeds = walk(
                image[window].astype(np.float64) / 255,
                seeds,
                beta=beta,
                mode="cg_j",
                tol=TOLERANCE,
                channel_axis=2 if image.ndim == 3 else None,
            )
        mask_HW[window] = seeds != BACKGROUND  # without a background all of the box is meant
    return masks_KHW


def _window(corners_4: Float[np.ndarray, "4"], height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a box and a margin, in which there is a background."""
    left, top, right, bottom = corners_4
    aside, above = 1 + MARGIN * (right - left), 1 + MARGIN * (bottom - top)
    rows = slice(max(int(top - above), 0), min(int(bottom + above) + 1, height))
    columns = slice(max(int(left - aside), 0), min(int(right + aside) + 1, width))
    return rows, columns
