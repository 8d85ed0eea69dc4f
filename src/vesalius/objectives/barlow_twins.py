"""Barlow Twins: two views agree in every coordinate, and no two coordinates say the same.

Legend of shapes: B batch, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.core.errors import DataError
from vesalius.objectives._pairs import check_above_zero, check_shapes

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

EPSILON = 1e-5  # batch norm's, added to the variance


def barlow_twins(
    first_BD: Float[Tensor, "B D"],
    second_BD: Float[Tensor, "B D"],
    *,
    off_diagonal_weight: float = 5e-3,
) -> Float[Tensor, ""]:
    """Return Σ_i (1 − C_ii)² + λ Σ_{i≠j} C_ij², C the correlations of the coordinates.

    Each coordinate is standardised over the batch as batch norm does it: with the biased variance,
    and 1e-5 added to that, so that a coordinate that never changes correlates with nothing.
    Half-precision embeddings are widened to float32 first.

    Raises:
        DataError: fewer than two pairs, hence no variance.
        RecipeError: the weight is not above 0.

    Source: Zbontar et al. 2021 (Barlow Twins), equation 1.

    >>> import torch
    >>> round(float(barlow_twins(torch.ones(4, 3), torch.ones(4, 3))), 6)  # nothing varies: D
    3.0
    """
    import torch
    from torch.nn.functional import batch_norm

    check_above_zero("barlow_twins", off_diagonal_weight=off_diagonal_weight)
    check_shapes("barlow_twins", first_BD, second_BD)
    if len(first_BD) < 2:
        raise DataError("barlow_twins: a batch of one pair has no variance; give two or more")
    wide = torch.promote_types(first_BD.dtype, torch.float32)
    with torch.autocast(first_BD.device.type, enabled=False):
        first_BD, second_BD = (
            batch_norm(side_BD.to(wide), None, None, training=True, eps=EPSILON)
            for side_BD in (first_BD, second_BD)
        )
        correlations_DD = first_BD.T @ second_BD / len(first_BD)
        own_D = correlations_DD.diagonal()
        others = correlations_DD.square().sum() - own_D.square().sum()
        return (1 - own_D).square().sum() + off_diagonal_weight * others
