"""A case's image and masks as files: the original's bytes where they say the same, else PNG."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import CaseSet, ImageError, Mask
from vesalius.data.images import ImageFiles

COPIED = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg"}


def image_file(cases: CaseSet, row: int, *, keep: bool) -> tuple[str, bytes]:
    """Return the suffix and bytes of a case's image: of the original file, or a PNG of the pixels.

    The image is decoded either way, so that a broken one does not pass. Bytes of the original
    (``keep``) hold its metadata too; a PNG made here holds pixels and nothing else.

    Raises:
        ImageError: the image cannot be read.
    """
    pixels = cases.images[row]
    images = cases.images
    if keep and isinstance(images, ImageFiles):
        path = Path(images.root, images.paths[row])
        if path.suffix.lower() in COPIED:
            try:
                return COPIED[path.suffix.lower()], path.read_bytes()
            except OSError as error:
                raise ImageError(f"{path} cannot be read: {error.strerror or error}") from None
    return "png", _png(pixels)


def mask_file(mask: Mask) -> bytes:
    """Return a mask as a PNG of one bit a pixel."""
    return _png(np.ascontiguousarray(mask.values_HW, dtype=bool))


def masks_of(cases: CaseSet, row: int) -> Mapping[str, Mask]:
    """Return the masks of a case; a set without regions has none."""
    return {} if cases.regions is None else cases.regions.masks(row)


def _png(values: Any) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()
