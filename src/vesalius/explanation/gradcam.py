"""Grad-CAM (Selvaraju et al. 2017, eq. 1-2): a layer's channels, weighed by their effect.

Legend of shapes: B batch, C channels, S the tower's image size, K targets, D width, h w the layer's
places, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vesalius.core import Heatmap
from vesalius.encoders.borrowing import evaluating
from vesalius.explanation.placing import heatmaps
from vesalius.explanation.sensitivity import channels, last_with_gradient
from vesalius.explanation.targets import Scores, Targets, scores_of

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder


def gradcam(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    layer: str = "auto",
    batch_size: int = 16,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    Values are those of :func:`gradcam_maps`, bilinear between the layer's places; 0 where the
    preprocessing cut the image off. The model is borrowed. All maps stand in memory at the size of
    their images: of a large set, give parts.

    Args:
        images: decoded images, also a ``CaseSet``'s ``images``.
        targets: texts, each scored by its cosine with the image; or, by name, scores of image
            rows ``image_BD -> B`` (a classifier's output for a finding).
        layer: a name of :func:`vesalius.encoders.layers.layers_of`; ``auto`` takes the last layer
            whose patches the image's row depends on. In a ViT that pools its class token this is
            the input of the last block: the patches that the last block gives get no gradient.
        device: where the model computes; by default where it is.

    Raises:
        ChoiceError: there is no layer of that name.
        ImageError: an image cannot be read.
        ModelError: no layer has places that the row depends on, the model reads no text, or a score
            is not one number an image with a gradient.
    """

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        nonlocal layer
        if layer == "auto":  # asked once, not for every batch
            layer = last_with_gradient(model, pixels_BCSS[:1])
        return _maps(model, pixels_BCSS, scores, layer=layer)

    return heatmaps(
        model, images, targets, maps, method="gradcam", batch_size=batch_size, device=device
    )


def gradcam_maps(
    model: DualEncoder,
    pixels_BCSS: Float[Tensor, "B C S S"],
    targets: Targets,
    *,
    layer: str = "auto",
) -> Float[Tensor, "B K h w"]:
    """Return max(0, sum_c a_c A_c), a_c the mean over places of the score's gradient at channel c.

    At the layer's own places, never min-max scaled. The image goes through the tower once, and only
    what lies above the layer is differentiated, once for each target. Targets, ``layer`` and
    errors are those of :func:`gradcam`.
    """
    with evaluating(model):
        scores = scores_of(model, targets)
        if layer == "auto":
            layer = last_with_gradient(model, pixels_BCSS[:1])
        return _maps(model, pixels_BCSS, scores, layer=layer)


def _maps(
    model: DualEncoder, pixels_BCSS: Tensor, scores: Scores, *, layer: str
) -> Float[Tensor, "B K h w"]:
    map_BDhw, weights_BKD = channels(model, pixels_BCSS, scores, layer=layer)
    return torch.einsum("bkd,bdhw->bkhw", weights_BKD, map_BDhw).relu()
