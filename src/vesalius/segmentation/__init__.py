"""From where a model looked to what is meant: heatmap, mask, prompts, mask; and what learns it.

``weak`` trains a U-Net on masks that nobody drew. Importing this folder imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.segmentation.weak import (
        SEGMENTING,
        Segmented,
        Segmenter,
        predict_masks,
        train_segmenter,
        unet,
    )

_WEAK = ("SEGMENTING", "Segmented", "Segmenter", "predict_masks", "train_segmenter", "unet")

__all__ = [
    "SEGMENTING",
    "Segmented",
    "Segmenter",
    "predict_masks",
    "train_segmenter",
    "unet",
]


def __getattr__(name: str) -> Any:
    if name in _WEAK:
        return getattr(import_module("vesalius.segmentation.weak"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
