"""The connected parts of a mask, and the prompts that they make.

Legend of shapes: H W pixels, K components, the largest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.case import Box, mask_box
from vesalius.core.errors import DataError, RecipeError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def largest_components(
    mask_HW: Bool[np.ndarray, "H W"], *, keep: int = 1
) -> Bool[np.ndarray, "H W"]:
    """Return a mask's largest components; pixels that touch at a corner are connected.

    Of equal ones, the one that begins nearer to the top, then to the left, comes first.

    Raises:
        DataError: the mask is not H × W truths.
        RecipeError: ``keep`` is below 1.

    >>> mask_HW = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool)
    >>> largest_components(mask_HW).astype(int).tolist()
    [[1, 1, 0, 0], [0, 0, 0, 0]]
    """
    if keep < 1:
        raise RecipeError(f"keep is {keep}; at least one component must stay")
    kept_HW = np.zeros(_checked(mask_HW).shape, bool)
    for part_HW in _parts(mask_HW, keep):
        kept_HW |= part_HW
    return kept_HW


def boxes_of(mask_HW: Bool[np.ndarray, "H W"], *, label: str = "") -> tuple[Box, ...]:
    """Return the tight box around each component of a mask, of the largest first.

    Raises:
        DataError: the mask is not H × W truths.

    >>> boxes_of(np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool), label="nodule")[1]
    Box(label='nodule', x=3.0, y=1.0, width=1.0, height=1.0)
    """
    boxes = (mask_box(label, part_HW) for part_HW in _parts(_checked(mask_HW)))
    return tuple(box for box in boxes if box is not None)


def points_of(mask_HW: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "K 2"]:
    """Return (x, y) of the innermost pixel of each component, in the order of :func:`boxes_of`.

    It is the pixel farthest from the component's edge, so unlike a centre of mass it always lies
    inside, also in a ring or a crescent; what is outside the image counts as edge.

    Raises:
        DataError: the mask is not H × W truths.

    >>> points_of(np.pad(np.ones((3, 3), bool), ((0, 0), (2, 0)))).tolist()
    [[3.0, 1.0]]
    """
    from scipy.ndimage import distance_transform_edt

    points = []
    for part_HW in _parts(_checked(mask_HW)):
        depth_HW = distance_transform_edt(np.pad(part_HW, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth_HW.argmax()), depth_HW.shape)
        points.append((float(column), float(row)))
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _parts(
    mask_HW: Bool[np.ndarray, "H W"], most: int | None = None
) -> Iterator[Bool[np.ndarray, "H W"]]:
    """Give the components, the largest first."""
    from scipy.ndimage import label

    labels_HW, count = label(mask_HW, structure=np.ones((3, 3)))
    sizes_K = np.bincount(labels_HW.ravel(), minlength=count + 1)[1:]
    for part in np.argsort(-sizes_K, kind="stable")[:most]:
        yield labels_HW == part + 1


def _checked(mask_HW: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    if getattr(mask_HW, "dtype", None) != np.bool_ or mask_HW.ndim != 2:
        dtype, shape = getattr(mask_HW, "dtype", type(mask_HW)), getattr(mask_HW, "shape", "")
        raise DataError(f"a mask is H × W truths, not {dtype} of {shape}")
    return mask_HW
