"""Two representations of the same cases, checked before they are compared.

Legend: N cases, D and E widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float

GRAIN = 1e-12  # spread that is smaller than this share of the values is rounding


def paired_rows(
    x_ND: ArrayLike, y_NE: ArrayLike, *, of: str, least: int
) -> tuple[Float[np.ndarray, "N D"], Float[np.ndarray, "N E"]]:
    """Return both as float64, each divided by its largest magnitude (no measure sees the scale).

    Raises:
        DataError: not two tables of finite numbers with the same N rows, or fewer than ``least``.
    """
    x, y = (scaled(values, f"{of}: {name}") for values, name in ((x_ND, "x"), (y_NE, "y")))
    if len(x) != len(y):
        raise DataError(
            f"{of}: x has {len(x)} rows and y has {len(y)}; row i of both must be the same case"
        )
    if len(x) < least:
        raise DataError(f"{of}: {len(x)} cases are too few; {least} are the least")
    return x, y


def scaled(values: ArrayLike, where: str) -> Float[np.ndarray, "N D"]:
    """Return a table of finite numbers in float64, its largest magnitude 1 (or all of it 0)."""
    table_ND = np.asarray(values)
    if table_ND.ndim != 2 or table_ND.shape[1] == 0:
        raise DataError(f"{where} must be N cases by D features, not shape {table_ND.shape}")
    if table_ND.dtype.kind not in "fiub":
        raise DataError(f"{where} must hold real numbers, not {table_ND.dtype}")
    table_ND = table_ND.astype(np.float64)
    wrong_N = ~np.isfinite(table_ND).all(1)
    if wrong_N.any():
        first = int(np.argmax(wrong_N))
        raise DataError(
            f"{where} is not finite in {int(wrong_N.sum())} of {len(table_ND)} rows, first {first}"
        )
    largest = float(np.abs(table_ND).max(initial=0.0))
    return table_ND / largest if largest > 0 else table_ND


def centred(values_ND: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """Return scaled values less their mean, exactly 0 where that leaves nothing but rounding."""
    rest_ND = values_ND - values_ND.mean(0)
    rest_ND[:, np.abs(rest_ND).max(0) <= GRAIN] = 0.0
    return rest_ND


def without_spread(**sides: NDArray[np.float64]) -> str:
    """Return the note on sides whose cases are all the same; nothing where both differ."""
    flat = [name for name, values_ND in sides.items() if not np.ptp(values_ND, axis=0).any()]
    return f"undefined: every case is the same in {' and '.join(flat)}" if flat else ""
