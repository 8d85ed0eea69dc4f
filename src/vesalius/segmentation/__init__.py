"""From where a model looked to what is meant: heatmap, mask, prompts, mask; and what learns it.

``REFINERS`` make a mask of a heatmap; :func:`boxes_of` and :func:`points_of` make prompts of the
mask; ``PROMPTED`` and the SAM family (:func:`load_sam`) make masks of the prompts; a U-Net learns
from masks that nobody drew (:func:`train_segmenter`). Importing this folder imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.segmentation.prompted import PROMPTED, grabcut, load_sam, random_walker
from vesalius.segmentation.refine import (
    REFINERS,
    boxes_of,
    dense_crf,
    kmeans,
    largest_components,
    otsu,
    points_of,
    refine,
)

if TYPE_CHECKING:
    from vesalius.segmentation.weak import (
        SEGMENTING,
        PredictedMask,
        Segmenter,
        load_segmenter,
        predict_masks,
        train_segmenter,
        trusted,
        unet,
    )

_WEAK = ("SEGMENTING", "PredictedMask", "Segmenter", "load_segmenter", "predict_masks",
         "train_segmenter", "trusted", "unet")  # fmt: skip

__all__ = [
    "PROMPTED",
    "REFINERS",
    "SEGMENTING",
    "PredictedMask",
    "Segmenter",
    "boxes_of",
    "dense_crf",
    "grabcut",
    "kmeans",
    "largest_components",
    "load_sam",
    "load_segmenter",
    "otsu",
    "points_of",
    "predict_masks",
    "random_walker",
    "refine",
    "train_segmenter",
    "trusted",
    "unet",
]


def __getattr__(name: str) -> Any:
    if name not in _WEAK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("vesalius.segmentation.weak"), name)
