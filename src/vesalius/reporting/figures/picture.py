"""One case as a picture: the image with what was found outlined on it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import Box, Heatmap, Mask

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

OUTLINE = (255, 170, 60)
BOX = (90, 200, 255)
HEAT = (255, 120, 20)


def picture(
    image: UInt8[np.ndarray, "H W ..."],
    *,
    mask: Mask | Sequence[Mask] | None = None,
    boxes: Sequence[Box] = (),
    heatmap: Heatmap | None = None,
    side: int = 384,
) -> bytes:
    """Return the image as PNG bytes, its longer side ``side`` pixels, with outlines on it.

    ``mask`` is one or several, each with its own outline. Masks and heatmaps lie in the image's
    own coordinates, boxes too. A heatmap is laid over it in proportion to its positive values
    (for the eye alone: scores use the unscaled map).
    """
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(painted(image, mask=mask, boxes=boxes, heatmap=heatmap, side=side)).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


def painted(
    image: UInt8[np.ndarray, "H W ..."],
    *,
    mask: Mask | Sequence[Mask] | None = None,
    boxes: Sequence[Box] = (),
    heatmap: Heatmap | None = None,
    side: int = 384,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return what :func:`picture` shows, as an array."""
    from PIL import Image, ImageDraw

    height, width = image.shape[:2]
    zoom = side / max(height, width, 1)
    size = (max(round(width * zoom), 1), max(round(height * zoom), 1))
    smooth = Image.Resampling.LANCZOS if zoom < 1 else Image.Resampling.BICUBIC
    canvas = np.array(Image.fromarray(image).convert("RGB").resize(size, smooth))
    if heatmap is not None:
        canvas = _heated(canvas, heatmap.values_HW, size)
    for own in (mask,) if isinstance(mask, Mask) else mask or ():
        inside = np.array(Image.fromarray(own.values_HW.astype(np.uint8) * 255).resize(size)) > 127
        canvas[_rim(inside, 3) & ~_rim(inside, 2)] = 0
        canvas[_rim(inside, 2)] = OUTLINE
    if boxes:
        drawing = Image.fromarray(canvas)
        pen = ImageDraw.Draw(drawing)
        for box in boxes:
            _outline(pen, box, zoom)
        canvas = np.array(drawing)
    return canvas


def _heated(canvas: Any, values_HW: Any, size: tuple[int, int]) -> Any:
    from PIL import Image

    positive = np.clip(np.nan_to_num(np.asarray(values_HW, np.float32)), 0, None)
    if positive.max(initial=0) <= 0:
        return canvas
    scaled = Image.fromarray(positive / positive.max()).resize(size, Image.Resampling.BILINEAR)
    weight = 0.65 * np.clip(np.array(scaled), 0, 1)[..., None]
    return ((1 - weight) * canvas + weight * np.array(HEAT)).round().astype(np.uint8)


def _rim(inside: Bool[np.ndarray, "h w"], thickness: int) -> Bool[np.ndarray, "h w"]:
    """Return the pixels of a mask that lie within ``thickness`` of its edge."""
    core = np.pad(inside, 1)
    for _ in range(thickness):
        shrunk = core.copy()
        for axis in (0, 1):
            for step in (-1, 1):
                shrunk &= np.roll(core, step, axis)
        core = shrunk
    return inside & ~core[1:-1, 1:-1]


def _outline(pen: Any, box: Box, zoom: float) -> None:
    corners = np.array([box.x, box.y, box.x + box.width, box.y + box.height]) * zoom
    if not np.isfinite(corners).all() or corners[2] < corners[0] or corners[3] < corners[1]:
        return
    left, top, right, bottom = np.clip(corners, -1e6, 1e6).tolist()
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0), width=4)
    pen.rectangle((left, top, right, bottom), outline=BOX, width=2)
