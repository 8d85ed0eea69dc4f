"""What every kind of image file gives: pixels, and the steps from the stored values to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vesalius.core import ImageError

if TYPE_CHECKING:
    from jaxtyping import UInt8

LARGEST_PIXELS = 178_956_970  # Pillow's own bound of a decompression bomb
UNASKED = 2**24  # pixels that any file may declare; past them its bytes must be able to hold them
MOST_PER_BYTE = 8 * 1032  # one-bit pixels under deflate, the closest packer but for blank faxes


class Decoded(NamedTuple):
    """The pixels, uint8, ``(H, W)`` grey or ``(H, W, 3)`` colour, and how they came about.

    ``steps`` are words such as ``("DICOM", "JPEG 2000", "window 40/400", "MONOCHROME1 inverted")``.
    """

    pixels: UInt8[np.ndarray, "..."]
    steps: tuple[str, ...]


def check_pixels(path: object, width: int, height: int, *, size: int) -> None:
    """Raise ImageError where a picture is too large, or larger than its bytes can be unpacked to.

    Args:
        path: of the file, or what else names it, for the error.
        width, height: in pixels, as the file declares.
        size: in bytes, of what is compressed.
    """
    if width * height > LARGEST_PIXELS:
        raise too_large(path, f"{width}×{height} pixels")
    if width * height > max(UNASKED, MOST_PER_BYTE * size):
        raise ImageError(f"{path} declares {width}×{height} pixels, but has {size:,} bytes")


def too_large(path: object, what: str) -> ImageError:
    """Return the error for a file that declares more than may be decoded."""
    return ImageError(f"{path} declares {what}; at most {LARGEST_PIXELS:,} are decoded")
