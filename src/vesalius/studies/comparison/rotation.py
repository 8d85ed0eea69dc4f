"""The rotation that lays one representation on another.

Legend: N cases, D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import DataError
from vesalius.studies.comparison.clouds import Cloud

if TYPE_CHECKING:
    from jaxtyping import Float


def rotated(
    first: Cloud, second: Cloud, on_first: Cloud, on_second: Cloud, *, normalise: bool = False
) -> Cloud:
    """Return the second cloud, turned and scaled onto the first.

    Centre, rotation and scale (Schönemann 1966) are learnt on other cases, ``on_first`` and
    ``on_second``, so that what is left afterwards is no matter of the fit; ``normalise`` turns
    rows of length 1 on rows of length 1.
    """
    x_ND, y_ND = (
        cloud.values(normalise=normalise).astype(np.float64) for cloud in (on_first, on_second)
    )
    if x_ND.shape != y_ND.shape:
        raise DataError(f"a rotation needs one width: {x_ND.shape} and {y_ND.shape} differ")
    centre_x, centre_y = x_ND.mean(0), y_ND.mean(0)
    turn_DD, scale = _fit(x_ND - centre_x, y_ND - centre_y)
    values = (second.values(normalise=normalise) - centre_y) @ turn_DD * scale + centre_x
    turned = replace(second.embeddings, values_ND=values.astype(first.embeddings.values_ND.dtype))
    return Cloud(f"{second.name}, turned", turned, second.cases)


def _fit(
    x_ND: Float[np.ndarray, "N D"], y_ND: Float[np.ndarray, "N D"]
) -> tuple[Float[np.ndarray, "D D"], float]:
    left, singular, right = np.linalg.svd(y_ND.T @ x_ND)
    spread = float((y_ND**2).sum())
    return left @ right, float(singular.sum()) / spread if spread > 0 else 1.0
