"""Where the tower's image lies in the original one, and maps carried back there.

Legend of shapes: H W pixels of the original, h w places of a map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.encoders.operations import Crop, Middle, Resize, Square

if TYPE_CHECKING:
    from jaxtyping import Float

    from vesalius.encoders.preprocessing import Preprocessing

Box = tuple[float, float, float, float]


def seen_box(preprocess: Preprocessing, shape: tuple[int, ...]) -> Box:
    """Return what the tower's image shows of an image of ``shape`` (H, W, …), in its pixels.

    Left, top, right, bottom; beyond the image's edges where a border was added.

    >>> from vesalius.encoders.preprocessing import Preprocessing
    >>> seen_box(Preprocessing.usual(10), (20, 40))
    (10.0, 0.0, 30.0, 20.0)
    """
    width, height = shape[1], shape[0]
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    for operation in preprocess.operations:
        if isinstance(operation, Resize):
            width, height = operation.target(width, height, preprocess.size)
        elif isinstance(operation, Crop | Middle | Square):
            x, y, side = operation.window(width, height, preprocess.size)
            across, down = (right - left) / width, (bottom - top) / height
            left, top = left + x * across, top + y * down
            right, bottom = left + side * across, top + side * down
            width = height = side
    return left, top, right, bottom


def on_original(
    map_hw: Float[np.ndarray, "h w"], box: Box, shape: tuple[int, ...]
) -> Float[np.ndarray, "H W"]:
    """Return a map of the tower's image at the pixels of the original, float32.

    Bilinear between the centres of the places, constant beyond the outermost; 0 outside ``box``.

    >>> on_original(np.array([[1.0, 3.0]]), (1.0, 0.0, 3.0, 2.0), (2, 4)).tolist()
    [[0.0, 1.0, 3.0, 0.0], [0.0, 1.0, 3.0, 0.0]]
    """
    left, top, right, bottom = box
    weights_Hh = _weights(map_hw.shape[0], top, bottom, shape[0])
    weights_Ww = _weights(map_hw.shape[1], left, right, shape[1])
    return (weights_Hh @ map_hw @ weights_Ww.T).astype(np.float32)


def _weights(places: int, start: float, end: float, pixels: int) -> Float[np.ndarray, "H h"]:
    """Return each pixel's share in each place, along one axis."""
    share_H = (np.arange(pixels) + 0.5 - start) / (end - start)
    at_H = np.clip(share_H * places - 0.5, 0, places - 1)
    weights_Hh = np.maximum(1 - np.abs(at_H[:, None] - np.arange(places)), 0)
    inside_H = (share_H >= 0) & (share_H <= 1)
    return weights_Hh * inside_H[:, None]
