"""From where a model looked to what is meant: heatmap, mask, prompts, mask.

``REFINERS`` make a mask of a heatmap; :func:`boxes_of` and :func:`points_of` make prompts of the
mask. Importing this folder imports no torch.
"""

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
    "REFINERS",
    "boxes_of",
    "dense_crf",
    "kmeans",
    "largest_components",
    "otsu",
    "points_of",
    "refine",
]
