"""DHN-NCE: decoupled InfoNCE that weighs the hard negatives more (MedCLIP-SAM).

Legend of shapes: B batch, D width.
"""

from __future__ import annotations

from math import isfinite, log
from typing import TYPE_CHECKING

from vesalius.core.errors import DataError, RecipeError, unknown
from vesalius.objectives._pairs import EXACT, check_above_zero, own_products, unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

VARIANTS = ("paper", "released")


def dhn_nce(
    image_BD: Float[Tensor, "B D"],
    text_BD: Float[Tensor, "B D"],
    *,
    temperature: float = 0.6,
    beta1: float = 0.15,
    beta2: float = 0.15,
    variant: str = "paper",
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return the sum of both directions of mean_i[−s_ii/τ + log Σ_{j≠i} W_ij e^{s_ij/τ}].

    W_ij = (B−1) e^{β s_ij/τ} / Σ_{k≠i} e^{β s_ik/τ}, with β1 from image to text and β2 back. The
    positive is not in the denominator, so the loss has no lower bound of 0. With β = 0 it is
    decoupled contrastive learning.

    ``released`` is what the authors' code computes: negatives are never summed, the normaliser
    lacks β, counts the own pair as 1, and the mean runs over all B² entries. Its gradient pulls
    the hardest negative closer. It is here to reproduce their numbers only. ``tile``: rows held
    at a time, all when none is given.

    Raises:
        DataError: fewer than two pairs, hence no negative.
        RecipeError: a temperature that is not above 0, or a β below 0.
        ChoiceError: there is no such variant.

    Source: Koleilat et al. 2024 (MedCLIP-SAM), equations 2 to 5, and its published code.

    >>> import torch
    >>> loss = dhn_nce(torch.eye(3), torch.eye(3), temperature=0.5)
    >>> round(float(loss), 6)  # 2 (log 2 - 2)
    -2.613706
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    check_above_zero("dhn_nce", temperature=temperature)
    for key, beta in (("beta1", beta1), ("beta2", beta2)):
        if not (isfinite(beta) and beta >= 0):
            raise RecipeError(f"dhn_nce: {key} is {beta!r}; it must be a number, 0 or more")
    image_BD, text_BD = unit_rows("dhn_nce", image_BD, text_BD)
    if len(image_BD) < 2:
        raise DataError("dhn_nce: a batch of one pair has no negatives; give two or more")
    image_BD = image_BD / temperature
    loss = _paper if variant == "paper" else _released
    return loss(image_BD, text_BD, beta1, beta2, tile)


def _paper(
    image_BD: Tensor, text_BD: Tensor, beta1: float, beta2: float, tile: int | None
) -> Tensor:
    """Σ_{j≠i} W_ij e^z is (B−1) Σ e^{(1+β)z} / Σ e^{βz}: two logsumexps a direction."""
    from vesalius.objectives._tiles import logsumexps

    def both(factor: float) -> tuple[Tensor, Tensor]:
        return logsumexps(factor * image_BD, text_BD, tile=tile, own=False)

    harder, weights = both(1 + beta1), both(beta1)
    rows_B = harder[0] - weights[0]
    if beta2 != beta1:
        harder, weights = both(1 + beta2), both(beta2)
    columns_B = harder[1] - weights[1]
    negatives = rows_B.mean() + columns_B.mean() + 2 * log(len(image_BD) - 1)
    return negatives - 2 * own_products(image_BD, text_BD).mean()


def _released(
    image_BD: Tensor, text_BD: Tensor, beta1: float, beta2: float, tile: int | None
) -> Tensor:
    """The mean of B² logarithms, each linear in z but for its normaliser, log(1 + Σ e^z)."""
    from torch.nn.functional import softplus

    from vesalius.objectives._tiles import logsumexps

    batch = len(image_BD)
    own = own_products(image_BD, text_BD).sum()
    negatives = (image_BD.sum(0) * text_BD.sum(0)).sum() - own
    rows_B, columns_B = logsumexps(image_BD, text_BD, tile=tile, own=False)
    normalisers = sum(softplus(side_B, threshold=EXACT).mean() for side_B in (rows_B, columns_B))
    linear = ((2 + beta1 + beta2) * negatives - 2 * own) / batch**2
    return linear + 2 * log(batch - 1) - normalisers
