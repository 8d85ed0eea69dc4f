"""From where a model looked to what is meant: heatmap, mask, prompts, mask.

``REFINERS`` make a mask of a heatmap; :func:`boxes_of` and :func:`points_of` make prompts of the
mask; ``PROMPTED`` and the SAM family (:func:`load_sam`) make masks of the prompts.
Importing this folder imports no torch.
"""

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

__all__ = [
    "PROMPTED",
    "REFINERS",
    "boxes_of",
    "dense_crf",
    "grabcut",
    "kmeans",
    "largest_components",
    "load_sam",
    "otsu",
    "points_of",
    "random_walker",
    "refine",
]
