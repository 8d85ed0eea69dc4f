"""GrabCut from a box: two colour models and a cut between them, without weights.

Not SAM: it stands in its place where there are no weights.

Legend of shapes: K objects, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import ModelError, RecipeError
from vesalius.segmentation.checked import checked_image
from vesalius.segmentation.prompted.prompts import paired, surely

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

    from vesalius.core import Box

NO_BOX = (0, 0, 1, 1)  # not looked at where a mask says what is sure


def grabcut(
    image: UInt8[np.ndarray, "H W ..."],
    boxes: Sequence[Box],
    points_K2: Any = None,
    *,
    iterations: int = 5,
) -> Bool[np.ndarray, "K H W"]:
    """Return a mask for each box: the colours that are in it and not around it.

    Pixels outside the box are background, a small disc around its point (its centre where none is
    given) is foreground; the others are decided by mixtures of Gaussians over the colours of both
    sides and a minimal cut, in turns. So a mask never leaves its box.

    Raises:
        DataError: an image of another kind, a box or a point outside it, a point outside its box.
        RecipeError: no iteration.
        ModelError: OpenCV is not installed.

    Source: Rother et al. 2004, as in OpenCV.
    """
    try:
        import cv2
    except ImportError:
        raise ModelError(
            "grabcut needs the package opencv-python-headless: pip install 'vesalius[segmentation]'"
        ) from None
    if iterations < 1:
        raise RecipeError(f"grabcut: iterations is {iterations}; at least one is needed")
    height, width = checked_image(image).shape[:2]
    corners_K4, places_K2 = paired(boxes, points_K2, height, width)
    if corners_K4 is None:
        return np.zeros((0, height, width), bool)
    if places_K2 is None:
        places_K2 = (corners_K4[:, :2] + corners_K4[:, 2:]) / 2
    colour_HW3 = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    masks_KHW = np.zeros((len(corners_K4), height, width), bool)
    for mask_HW, corners_4, place_2 in zip(masks_KHW, corners_K4, places_K2, strict=True):
        inside_HW, core_HW = surely(corners_4, place_2, height, width)
        mask_HW[:] = inside_HW  # without a background, or an open question, all of it is meant
        if inside_HW.all() or (core_HW == inside_HW).all():
            continue
        said_HW = np.where(inside_HW, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        said_HW[core_HW] = cv2.GC_FGD
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)  # OpenCV's own generator starts the mixtures; it cannot be handed one
        cv2.grabCut(colour_HW3, said_HW, NO_BOX, *models, iterations, cv2.GC_INIT_WITH_MASK)
        mask_HW[:] = (said_HW == cv2.GC_FGD) | (said_HW == cv2.GC_PR_FGD)
    return masks_KHW
