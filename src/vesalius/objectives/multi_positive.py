"""Multi-positive InfoNCE: pairs of one group (a caption, a case) are all right answers.

Legend of shapes: B batch, D width, G groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.objectives._pairs import own_products, unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor


def multi_positive(
    image_BD: Float[Tensor, "B D"],
    text_BD: Float[Tensor, "B D"],
    *,
    groups_B: Int[Tensor, "B"],
    logit_scale: float | Float[Tensor, ""],
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return ½[H(T, softmax_row z) + H(T, softmax_column z)]; T is uniform over a row's group.

    That is the mean over the positives of −log probability (L_out of SupCon, the image–text form
    of UniCL), not −log of their summed probability: every pair of a group is to be found, not one
    of them. With all groups distinct it is :func:`~vesalius.objectives.infonce.infonce`.
    ``groups_B``: rows with the same number belong together. ``tile``: rows held at a time, all
    when none is given.

    Sources: Khosla et al. 2020 (SupCon), equation 2; Yang et al. 2022 (UniCL), equation 3.

    >>> import torch
    >>> same = torch.zeros(4, dtype=torch.long)
    >>> loss = multi_positive(torch.ones(4, 2), torch.ones(4, 2), groups_B=same, logit_scale=9.0)
    >>> round(float(loss), 6)  # log 4: nothing tells the four apart, and nothing should
    1.386294
    """
    import torch

    from vesalius.objectives._tiles import logsumexps

    image_BD, text_BD = unit_rows("multi_positive", image_BD, text_BD)
    if groups_B.shape != image_BD.shape[:1]:
        raise ValueError(
            f"multi_positive: groups are {tuple(groups_B.shape)}; "
            f"they must be one number a pair, ({len(image_BD)},)"
        )
    image_BD = image_BD * logit_scale
    rows_B, columns_B = logsumexps(image_BD, text_BD, tile=tile)
    _, group_B, sizes_G = torch.unique(groups_B, return_inverse=True, return_counts=True)
    # Σ_ij T_ij z_ij = Σ_g (sum of its images)·(sum of its texts) / its size, either way round.
    sums = image_BD.new_zeros(len(sizes_G), image_BD.shape[1])
    images_GD = sums.index_add(0, group_B, image_BD)
    texts_GD = sums.index_add(0, group_B, text_BD)
    wanted = (own_products(images_GD, texts_GD) / sizes_G).sum() / len(image_BD)
    return (rows_B.mean() + columns_B.mean()) / 2 - wanted
