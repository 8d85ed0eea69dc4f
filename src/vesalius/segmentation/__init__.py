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
        load_segmenter,
        predict_masks,
        train_segmenter,
        trusted,
        unet,
    )

_HOMES = {
    "SEGMENTING": "weak",
    "Segmented": "weak",
    "Segmenter": "weak",
    "load_segmenter": "weak",
    "predict_masks": "weak",
    "train_segmenter": "weak",
    "trusted": "weak",
    "unet": "weak",
}

__all__ = [
    "SEGMENTING",
    "Segmented",
    "Segmenter",
    "load_segmenter",
    "predict_masks",
    "train_segmenter",
    "trusted",
    "unet",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"vesalius.segmentation.{_HOMES[name]}"), name)
