"""What the contrastive losses ask of their inputs, in one place.

Legend of shapes: B batch, N and M rows of two sides that need not be paired, D width.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from vesalius.core.errors import DataError, RecipeError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

EXACT = 40  # from here on log(1 + exp z) is z even in float64; torch's own threshold, 20, is not


def unit_rows(
    name: str, left_ND: Float[Tensor, "N D"], right_MD: Float[Tensor, "M D"], *, paired: bool = True
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "M D"]]:
    """Return both sides with rows of length 1, widened to float32 where they were narrower.

    A row of zeros stays a row of zeros.

    Raises:
        ValueError: the shapes are not two equal (B, D); unpaired, the widths differ.
        DataError: a side has no rows.
    """
    import torch
    from torch.nn.functional import normalize

    check_shapes(name, left_ND, right_MD, paired=paired)
    wide = torch.promote_types(left_ND.dtype, torch.float32)
    with torch.autocast(left_ND.device.type, enabled=False):
        return normalize(left_ND.to(wide)), normalize(right_MD.to(wide))


def check_shapes(name: str, left_ND: Tensor, right_MD: Tensor, *, paired: bool = True) -> None:
    """Refuse sides that do not fit together, or that are empty (see :func:`unit_rows`)."""
    left, right = tuple(left_ND.shape), tuple(right_MD.shape)
    fit = left == right if paired else left[1:] == right[1:]
    if len(left) != 2 or not fit:
        wanted = "two equal shapes (B, D)" if paired else "of shapes (N, D) and (M, D)"
        raise ValueError(f"{name}: the sides are {left} and {right}; they must be {wanted}")
    if not left[0] or not right[0]:
        raise DataError(f"{name}: a batch without rows has no loss ({left} and {right})")


def check_above_zero(name: str, **settings: float) -> None:
    """Refuse a setting that is not a finite number above zero."""
    for key, value in settings.items():
        if not (isfinite(value) and value > 0):
            raise RecipeError(f"{name}: {key} is {value!r}; it must be a number above 0")


def own_products(left_BD: Float[Tensor, "B D"], right_BD: Float[Tensor, "B D"]) -> Tensor:
    """Return the B inner products of rows with the same number."""
    return (left_BD * right_BD).sum(1)
