"""InfoNCE: each image picks its text among the batch, and each text its image (CLIP).

Legend of shapes: B batch, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.objectives._pairs import own_products, unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def infonce(
    image_BD: Float[Tensor, "B D"],
    text_BD: Float[Tensor, "B D"],
    *,
    logit_scale: float | Float[Tensor, ""],
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return ½[CE(s·scale, i) + CE(sᵀ·scale, i)] of cosines s_ij, in nats.

    Embeddings are normalised here. ``logit_scale`` multiplies (1/τ, not its logarithm); who owns
    the parameter keeps it at 100 or less. Half-precision embeddings are widened to float32 first:
    at a scale of 100 half precision could not tell neighbouring cosines apart.
    ``tile``: rows of the logits held at a time, all when none is given.

    Source: Radford et al. 2021 (CLIP), figure 3.

    >>> import torch
    >>> round(float(infonce(torch.eye(4), torch.eye(4), logit_scale=100.0)), 6)
    0.0
    >>> round(float(infonce(torch.ones(4, 2), torch.ones(4, 2), logit_scale=1.0)), 6)  # log 4
    1.386294
    """
    import torch
    from torch.nn.functional import cross_entropy

    image_BD, text_BD = unit_rows("infonce", image_BD, text_BD)
    if tile is not None:
        from vesalius.objectives._tiles import logsumexps

        image_BD = image_BD * logit_scale
        rows_B, columns_B = logsumexps(image_BD, text_BD, tile=tile)
        return (rows_B.mean() + columns_B.mean()) / 2 - own_products(image_BD, text_BD).mean()
    with torch.autocast(image_BD.device.type, enabled=False):
        logits_BB = logit_scale * (image_BD @ text_BD.T)
        own_B = torch.arange(len(logits_BB), device=logits_BB.device)
        return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2
