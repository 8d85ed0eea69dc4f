"""Boxes and points on one image, made sure of.

Legend of shapes: K objects to segment, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from vesalius.core import Box

CORE = 0.1  # of a box's shorter side: radius of the disc that surely is inside


def corners(boxes: Sequence[Box], height: int, width: int) -> Float[np.ndarray, "K 4"]:
    """Return the first and the last pixel of each box, (x₀, y₀, x₁, y₁), cut to the image.

    Raises:
        DataError: a box is empty, or lies outside the image.

    >>> from vesalius.core import Box
    >>> corners([Box("mass", 2, 1, 3, 9)], 5, 8).tolist()
    [[2.0, 1.0, 4.0, 4.0]]
    """
    found = []
    for box in boxes:
        left, top = max(box.x, 0.0), max(box.y, 0.0)
        right, bottom = min(box.x + box.width, width) - 1, min(box.y + box.height, height) - 1
        if not (right >= left and bottom >= top):
            raise DataError(f"{box} has no pixel on an image of {height} × {width}")
        found.append((left, top, right, bottom))
    return np.array(found, dtype=np.float64).reshape(-1, 4)


def places(points_K2: Any, height: int, width: int) -> Float[np.ndarray, "K 2"]:
    """Return points (x, y) that lie on the image.

    Raises:
        DataError: not K × 2 numbers, or a point outside the image.
    """
    points_K2 = np.asarray(points_K2, dtype=np.float64)
    if points_K2.size == 0:
        return points_K2.reshape(0, 2)
    if points_K2.ndim != 2 or points_K2.shape[1] != 2:
        raise DataError(f"points are K × 2 numbers (x, y), not of shape {points_K2.shape}")
    inside_K = ((points_K2 >= 0) & (points_K2 <= (width - 1, height - 1))).all(1)
    if not inside_K.all():
        x, y = points_K2[~inside_K][0]
        raise DataError(f"the point x {x:g}, y {y:g} is not on an image of {height} × {width}")
    return points_K2


def paired(
    boxes: Sequence[Box], points_K2: Any, height: int, width: int
) -> tuple[Float[np.ndarray, "K 4"] | None, Float[np.ndarray, "K 2"] | None]:
    """Return the corners and the points of K objects; None for what is not given.

    Raises:
        DataError: as many points as boxes are needed where both are given.
    """
    corners_K4 = corners(boxes, height, width) if len(boxes) else None
    places_K2 = None if points_K2 is None else places(points_K2, height, width)
    if places_K2 is not None and corners_K4 is None and len(places_K2) == 0:
        places_K2 = None
    if corners_K4 is not None and places_K2 is not None and len(corners_K4) != len(places_K2):
        raise DataError(
            f"{len(corners_K4)} boxes have {len(places_K2)} points; each object has one box, one "
            "point, or one of both"
        )
    return corners_K4, places_K2


def surely(
    corners_4: Float[np.ndarray, "4"], place_2: Float[np.ndarray, "2"], height: int, width: int
) -> tuple[Bool[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Return the pixels in a box, and those of them in a small disc around its point.

    Raises:
        DataError: the point is not in the box.
    """
    left, top = np.floor(corners_4[:2])  # a pixel that a box only touches is in it
    right, bottom = np.ceil(corners_4[2:])
    y_H1, x_1W = np.ogrid[:height, :width]
    inside_HW = (x_1W >= left) & (x_1W <= right) & (y_H1 >= top) & (y_H1 <= bottom)
    radius = CORE * (min(right - left, bottom - top) + 1)
    x, y = np.round(place_2)
    if not (left <= x <= right and top <= y <= bottom):
        raise DataError(f"the point x {x:g}, y {y:g} is not in its box, {corners_4.tolist()}")
    return inside_HW, inside_HW & ((x_1W - x) ** 2 + (y_H1 - y) ** 2 <= radius**2)
