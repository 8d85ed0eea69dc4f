"""Weak supervision: a U-Net learns from pseudo-masks, counting each by how sure it is.

The masks may as well be drawn by hand: that is the supervised ceiling.
"""

from vesalius.segmentation.weak.learning import SEGMENTING, Segmenter, train_segmenter
from vesalius.segmentation.weak.loading import load_segmenter
from vesalius.segmentation.weak.predicting import PredictedMask, predict_masks
from vesalius.segmentation.weak.prepared import trusted
from vesalius.segmentation.weak.unet import unet

__all__ = [
    "SEGMENTING",
    "PredictedMask",
    "Segmenter",
    "load_segmenter",
    "predict_masks",
    "train_segmenter",
    "trusted",
    "unet",
]
