"""NT-Xent: each view finds the other view of its image among all views (SimCLR).

Legend of shapes: B batch, V views (2B), D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vesalius.objectives._pairs import check_above_zero, own_products, unit_rows

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def nt_xent(
    first_BD: Float[Tensor, "B D"],
    second_BD: Float[Tensor, "B D"],
    *,
    temperature: float = 0.5,
    tile: int | None = None,
) -> Float[Tensor, ""]:
    """Return the mean over the 2B views of −log softmax(cosines/τ)[its other view], in nats.

    Rows i of both sides are two views of one image. A view is no candidate for itself. Embeddings
    are normalised here. 0.5 suits small images, 0.1 large ones. One image alone costs 0.
    ``tile``: rows held at a time, all when none is given.

    Raises:
        RecipeError: the temperature is not above 0.

    Source: Chen et al. 2020 (SimCLR), equation 1.

    >>> import torch
    >>> round(float(nt_xent(torch.ones(4, 2), torch.ones(4, 2))), 6)  # log 7
    1.94591
    """
    import torch

    from vesalius.objectives._tiles import self_logsumexp

    check_above_zero("nt_xent", temperature=temperature)
    first_BD, second_BD = unit_rows("nt_xent", first_BD, second_BD)
    views_VD = torch.cat([first_BD, second_BD]) / temperature**0.5
    rows_V = self_logsumexp(views_VD, tile=tile)
    return rows_V.mean() - own_products(first_BD, second_BD).mean() / temperature
