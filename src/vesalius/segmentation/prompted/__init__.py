"""From a box or a point on an image to the mask of what it marks.

``PROMPTED`` are functions without weights, ``(image, boxes, points_K2, *, settings)``, that stand
in SAM's place where there is no SAM; they are named as what they are. :func:`load_sam` reads a
model of the SAM family from a folder; its ``masks(image, boxes, points_K2)`` is called alike.
"""

from vesalius.segmentation.prompted.grabcut import grabcut
from vesalius.segmentation.prompted.loading import load_sam
from vesalius.segmentation.prompted.random_walker import random_walker

PROMPTED = {
    "grabcut": "vesalius.segmentation.prompted.grabcut:grabcut",
    "random_walker": "vesalius.segmentation.prompted.random_walker:random_walker",
}

__all__ = ["PROMPTED", "grabcut", "load_sam", "random_walker"]
