"""A mask as a picture.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool


def png_mask(mask_HW: Bool[np.ndarray, "H W"]) -> bytes:
    """Return a mask as a grey PNG of its own size: 255 inside, 0 outside.

    >>> png_mask(np.ones((2, 2), bool))[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.asarray(mask_HW, bool).astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
