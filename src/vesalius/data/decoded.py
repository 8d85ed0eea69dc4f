"""What every kind of image file gives: pixels, and the steps from the stored values to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vesalius.core import ImageError

if TYPE_CHECKING:
    from jaxtyping import UInt8

LARGEST_PIXELS = 178_956_970  # Pillow's own bound of a decompression bomb


class Decoded(NamedTuple):
    """The pixels, uint8, ``(H, W)`` grey or ``(H, W, 3)`` colour, and how they came about.

    ``steps`` are words such as ``("DICOM", "JPEG 2000", "window 40/400", "MONOCHROME1 inverted")``.
    """

    pixels: UInt8[np.ndarray, "..."]
    steps: tuple[str, ...]


def too_large(path: Path, what: str) -> ImageError:
    """Return the error for a file that declares more than may be decoded."""
    return ImageError(f"{path} declares {what}; at most {LARGEST_PIXELS:,} are decoded")
