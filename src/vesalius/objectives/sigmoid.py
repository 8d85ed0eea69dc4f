"""Sigmoid loss: every image–text pair is a yes-or-no question of its own (SigLIP).

Legend of shapes: B batch, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.objectives._pairs import EXACT, own_products, unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def sigmoid(
    image_BD: Float[Tensor, "B D"],
    text_BD: Float[Tensor, "B D"],
    *,
    logit_scale: float | Float[Tensor, ""],
    logit_bias: float | Float[Tensor, ""],
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return −1/B Σ_ij log σ(±(scale·s_ij + bias)), plus for own pairs and minus for others.

    Embeddings are normalised here. The authors start at a scale of 10 and a bias of −10: among B²
    pairs only B are true, and the bias says so from the start. ``tile``: rows held at a time, all
    when none is given.

    Source: Zhai et al. 2023 (SigLIP), algorithm 1.

    >>> import torch
    >>> loss = sigmoid(torch.eye(4), torch.eye(4), logit_scale=0.0, logit_bias=0.0)
    >>> round(float(loss), 6)  # 4 log 2
    2.772589
    """
    import torch
    from torch.nn.functional import softplus

    from vesalius.objectives._tiles import softplus_sum

    image_BD, text_BD = unit_rows("sigmoid", image_BD, text_BD)
    image_BD = image_BD * logit_scale
    # The bias is one more coordinate: its gradient then comes with the others.
    bias_B1 = torch.ones_like(image_BD[:, :1]) * logit_bias
    left_BE = torch.cat([image_BD, bias_B1], 1)
    right_BE = torch.cat([text_BD, torch.ones_like(bias_B1)], 1)
    own_B = own_products(left_BE, right_BE)
    total = softplus(-own_B, threshold=EXACT).sum() + softplus_sum(left_BE, right_BE, tile=tile)
    return total / len(own_B)
