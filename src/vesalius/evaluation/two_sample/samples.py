"""The two samples, checked: what is compared must be comparable.

Legend: N cases, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float

    Matrix = Float[np.ndarray, "N D"]


def samples(x_ND: ArrayLike, y_MD: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return both samples in one precision, or say what is wrong with them."""
    pair = []
    for name, given in (("x", x_ND), ("y", y_MD)):
        try:
            values = np.asarray(given)
        except ValueError as error:
            raise DataError(f"{name} is no table of numbers: {error}") from None
        if values.ndim != 2 or values.shape[1] < 1:
            raise DataError(f"{name} must have a row for each case: its shape is {values.shape}")
        if len(values) < 2:
            raise DataError(f"{name} has {len(values)} cases; a comparison needs at least 2")
        if values.dtype.kind not in "fiub":
            raise DataError(f"{name} holds {values.dtype}, not real numbers")
        broken_N = np.flatnonzero(~np.isfinite(values).all(1))
        if broken_N.size:
            raise DataError(
                f"{broken_N.size} rows of {name} are not finite, first row {broken_N[0]}"
            )
        pair.append(values)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise DataError(
            f"x has {pair[0].shape[1]} columns and y {pair[1].shape[1]}: samples of different "
            "width have no common space; compare them case by case (cka, procrustes, knn_overlap)"
        )
    wide = any(values.dtype.kind != "f" or values.dtype.itemsize > 4 for values in pair)
    precision = np.float64 if wide else np.float32
    return pair[0].astype(precision), pair[1].astype(precision)
