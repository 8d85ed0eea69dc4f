"""Two images side by side, as large as each other, for a person to compare."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from vesalius.reporting.figures.picture import painted

if TYPE_CHECKING:
    from jaxtyping import UInt8

GAP = 4  # pixels between the two


def pair(
    first: UInt8[np.ndarray, "H W ..."], second: UInt8[np.ndarray, "h w ..."], *, side: int = 288
) -> bytes:
    """Return two images beside each other as JPEG bytes, each fitted into a square of ``side``."""
    from PIL import Image

    canvas = Image.new("RGB", (2 * side + GAP, side))
    canvas.paste((255, 255, 255), (side, 0, side + GAP, side))
    for left, image in ((0, first), (side + GAP, second)):
        picture = Image.fromarray(painted(image, side=side))
        place = (left + (side - picture.width) // 2, (side - picture.height) // 2)
        canvas.paste(picture, place)
    buffer = BytesIO()
    canvas.save(buffer, "JPEG", quality=85, optimize=True)
    return buffer.getvalue()
