"""Dice and binary cross-entropy of masks, where each pixel counts by its weight.

Legend of shapes: B batch, H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

SMOOTH = 1.0  # pixels added to overlap and size: two empty masks agree


def dice_bce(
    logits_BHW: Float[Tensor, "B H W"],
    truths_BHW: Float[Tensor, "B H W"],
    weights_BHW: Float[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """Return the weighted mean cross-entropy (nats) plus the mean soft Dice loss of the images.

    Per image the Dice loss is 1 − (2 Σ w p t + 1) / (Σ w p + Σ w t + 1) with p = σ(logit), and an
    image counts by its mean weight (nnU-Net: Isensee et al. 2021, the sum of both losses; without
    weights as there). Truths lie in [0, 1]. A weight of 0 is *ignored*: that pixel's truth changes
    nothing and its logit gets no gradient. Where all are, the loss is 0.

    >>> import torch
    >>> truths = torch.tensor([[[1.0, 0.0]]])
    >>> round(float(dice_bce(200 * truths - 100, truths, torch.ones(1, 1, 2))), 6)
    0.0

    Raises:
        ValueError: the three shapes differ, or are not (B, H, W).
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    shapes = {tuple(values.shape) for values in (logits_BHW, truths_BHW, weights_BHW)}
    if len(shapes) > 1 or logits_BHW.ndim != 3:
        raise ValueError(
            f"dice_bce: logits {tuple(logits_BHW.shape)}, truths {tuple(truths_BHW.shape)} and "
            f"weights {tuple(weights_BHW.shape)} must be three equal shapes (B, H, W)"
        )
    logits_BHW = logits_BHW.to(torch.promote_types(logits_BHW.dtype, torch.float32))
    t, w = truths_BHW.to(logits_BHW), weights_BHW.to(logits_BHW)
    p = logits_BHW.sigmoid()
    least = torch.finfo(logits_BHW.dtype).tiny
    losses_BHW = binary_cross_entropy_with_logits(logits_BHW, t, reduction="none")
    cross_entropy = (w * losses_BHW).sum() / w.sum().clamp(min=least)
    overlap_B, sizes_B = (w * p * t).sum((1, 2)), (w * (p + t)).sum((1, 2))
    dice_B = 1 - (2 * overlap_B + SMOOTH) / (sizes_B + SMOOTH)
    counts_B = w.mean((1, 2))
    return cross_entropy + (counts_B * dice_B).sum() / counts_B.sum().clamp(min=least)
