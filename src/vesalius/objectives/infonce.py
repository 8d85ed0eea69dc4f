"""InfoNCE: each image picks its text among the batch, and each text its image (CLIP).

Legend of shapes: B batch, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def infonce(
    image_BD: Float[Tensor, "B D"],
    text_BD: Float[Tensor, "B D"],
    *,
    logit_scale: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Return ½[CE(s·scale, i) + CE(sᵀ·scale, i)] of cosines s_ij, in nats.

    Embeddings are normalised here. ``logit_scale`` multiplies (1/τ, not its logarithm); who owns
    the parameter keeps it at 100 or less. Half-precision embeddings are widened to float32 first:
    at a scale of 100 half precision could not tell neighbouring cosines apart.

    Source: Radford et al. 2021 (CLIP), figure 3.

    >>> import torch
    >>> round(float(infonce(torch.eye(4), torch.eye(4), logit_scale=100.0)), 6)
    0.0
    >>> round(float(infonce(torch.ones(4, 2), torch.ones(4, 2), logit_scale=1.0)), 6)  # log 4
    1.386294
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    if image_BD.ndim != 2 or image_BD.shape != text_BD.shape:
        raise ValueError(
            f"infonce: image {tuple(image_BD.shape)} and text {tuple(text_BD.shape)} "
            "must be two equal shapes (B, D)"
        )
    wide = torch.promote_types(image_BD.dtype, torch.float32)
    with torch.autocast(image_BD.device.type, enabled=False):
        image_BD, text_BD = normalize(image_BD.to(wide)), normalize(text_BD.to(wide))
        logits_BB = logit_scale * (image_BD @ text_BD.T)
        own_B = torch.arange(len(logits_BB), device=logits_BB.device)
        return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2
