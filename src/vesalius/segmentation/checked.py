"""What a refiner or a segmenter is given, made sure of.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8


def checked_map(heat_HW: Any, image: np.ndarray | None) -> Float[np.ndarray, "H W"]:
    """Return a heatmap's values as float64, of the image's size where there is one.

    Raises:
        DataError: not a map of finite numbers, or an image of another size.
    """
    heat_HW = np.asarray(heat_HW)
    if heat_HW.ndim != 2 or heat_HW.dtype.kind not in "fiub":
        raise DataError(f"a heatmap is H × W numbers, not {heat_HW.dtype} of {heat_HW.shape}")
    heat_HW = heat_HW.astype(np.float64)
    if not np.isfinite(heat_HW).all():
        raise DataError(f"{int((~np.isfinite(heat_HW)).sum())} values of a heatmap are not finite")
    if image is not None:
        checked_image(image)
        if image.shape[:2] != heat_HW.shape:
            raise DataError(
                f"a heatmap of {heat_HW.shape[0]} × {heat_HW.shape[1]} does not lie on an image of "
                f"{image.shape[0]} × {image.shape[1]}; bring it to the original image's size first"
            )
    return heat_HW


def checked_image(image: Any) -> UInt8[np.ndarray, "H W ..."]:
    """Return an image that is as the readers give it, uint8, ``(H, W)`` or ``(H, W, 3)``.

    Raises:
        DataError: it is something else.
    """
    shape = getattr(image, "shape", None)
    dtype = getattr(image, "dtype", type(image).__name__)
    if dtype != np.uint8 or shape is None or not (len(shape) == 2 or shape[2:] == (3,)):
        raise DataError(
            f"an image is uint8, (H, W) grey or (H, W, 3) colour, not {dtype} of {shape}; "
            "16-bit greys are windowed to 8 bits by the readers"
        )
    found: np.ndarray = image
    return found


def is_flat(heat_HW: Float[np.ndarray, "H W"]) -> bool:
    """Return whether a map has no difference in it, or no pixel at all."""
    return heat_HW.size == 0 or bool(heat_HW.min() == heat_HW.max())
