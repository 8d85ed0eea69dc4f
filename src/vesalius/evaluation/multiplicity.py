"""Many p-values at once: some are small by chance alone.

Legend: K hypotheses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float


def holm(p_values: ArrayLike) -> Float[np.ndarray, "K"]:
    """Return p-values that keep the chance of *any* false finding at the level (Holm 1979).

    NaN stays NaN and does not count as a hypothesis.

    >>> holm([0.01, 0.04, 0.03, float("nan")]).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    return _adjusted(p_values, _stepped_down)


def benjamini_hochberg(p_values: ArrayLike) -> Float[np.ndarray, "K"]:
    """Return p-values that keep the expected share of false findings at the level.

    NaN stays NaN and does not count as a hypothesis. Source: Benjamini & Hochberg 1995.

    >>> benjamini_hochberg([0.01, 0.02, 0.5]).tolist()
    [0.03, 0.03, 0.5]
    """
    return _adjusted(p_values, _stepped_up)


def _stepped_down(sorted_K: NDArray[Any]) -> NDArray[Any]:
    k = len(sorted_K)
    return np.maximum.accumulate(sorted_K * (k - np.arange(k)))


def _stepped_up(sorted_K: NDArray[Any]) -> NDArray[Any]:
    k = len(sorted_K)
    return np.minimum.accumulate((sorted_K * (k / (1 + np.arange(k))))[::-1])[::-1]


def _adjusted(
    p_values: ArrayLike, step: Callable[[NDArray[Any]], NDArray[Any]]
) -> Float[np.ndarray, "K"]:
    p_K = np.asarray(p_values, dtype=float)
    there = np.flatnonzero(~np.isnan(p_K))
    if p_K.ndim != 1 or ((p_K[there] < 0) | (p_K[there] > 1)).any():
        raise DataError("p-values must be a list of numbers between 0 and 1 (or NaN)")
    order = there[np.argsort(p_K[there], kind="stable")]
    adjusted_K = np.full(len(p_K), np.nan)
    adjusted_K[order] = np.minimum(step(p_K[order]), 1.0)
    return adjusted_K
