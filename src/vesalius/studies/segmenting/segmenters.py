"""What goes on from a first mask: a segmenter that is prompted by boxes and points, or by words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box
from vesalius.segmentation import boxes_of, points_of
from vesalius.segmentation.prompted import PROMPTED, load_sam

Image = NDArray[np.uint8]
Pixels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segmenter:
    """``by_boxes`` takes image, boxes and points, ``by_words`` image and words; None: it cannot."""

    name: str
    by_boxes: Callable[[Image, Sequence[Box], Any], Any] | None = None
    by_words: Callable[[Image, str], Pixels] | None = None

    @classmethod
    def of(cls, name: str | None, device: str) -> Segmenter:
        """Return the segmenter of a name of ``PROMPTED``, or of a folder of the SAM family."""
        if name is None:
            return cls("")
        if name in PROMPTED:
            module, _, function = PROMPTED[name].partition(":")
            return cls(name.replace("_", " "), getattr(import_module(module), function))
        from vesalius.segmentation.prompted.sam3 import Sam3

        model = load_sam(name, device=device)
        short = Path(name).name
        if isinstance(model, Sam3):
            by_text = model.masks
            return cls(short, None, lambda image, target: _any(by_text(image, [target]), image))
        return cls(short, model.masks)

    def from_boxes(self, image: Image, mask_HW: Pixels) -> Pixels:
        """Go on from the boxes and points of a mask; an empty one stays empty."""
        boxes = boxes_of(mask_HW)
        if not boxes or self.by_boxes is None:
            return mask_HW
        return _any(self.by_boxes(image, boxes, points_of(mask_HW)), image)


def _any(masks_KHW: Any, image: Image) -> Pixels:
    """Return the pixels that lie in one of the masks."""
    masks = np.asarray(masks_KHW, bool).reshape(-1, *image.shape[:2])
    inside: Pixels = np.asarray(masks.any(0))
    return inside
