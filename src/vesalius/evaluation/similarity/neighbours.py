"""Mutual nearest neighbours: do two representations put the same cases beside each case?

    overlap = mean over cases of |N_x(i) ∩ N_y(i)| / k

with N(i) the k cases of highest cosine to case i, itself left out. Source: Huh et al. 2024, app. A.

Legend: N cases, D and E widths, B cases of a tile, P permutations.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.knn import DECIMALS, TILE_BYTES, nearest
from vesalius.evaluation.similarity.inference import Resampling, infer, unassessed
from vesalius.evaluation.similarity.pairing import centred, paired_rows, without_spread

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from vesalius.evaluation.similarity.result import Similarity


def knn_overlap(
    x_ND: ArrayLike,
    y_NE: ArrayLike,
    *,
    k: int = 10,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    permutations: int = 1000,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> Similarity:
    """Return the share of k nearest neighbours in common: 1 all, k/(N − 1) what chance gives.

    Neighbours are sought by cosine among all N cases: the value depends on N and k, so compare it
    with values of the same cases alone. Of equally near cases (copies) the earlier rows count, on
    both sides. A replicate weighs cases by their influence on the value, by their own
    neighbourhood and as a neighbour of others, each left out in turn; neighbourhoods are not
    smooth, so this interval is wide (95 % covered 98 to 100 % in simulations of 100 to 400 cases).
    The other settings are those of :func:`cka`.

    Raises:
        DataError: tables that cannot be paired, or k not from 1 to N − 2.

    >>> x_ND = np.random.default_rng(0).normal(size=(40, 3))
    >>> print(knn_overlap(x_ND, 2 * x_ND[:, ::-1], k=5, permutations=99))
    knn_overlap_5 1.000 [1.000, 1.000] (n=40), p=0.01 (the floor of 99 permutations)
    """
    x_ND, y_NE = paired_rows(x_ND, y_NE, of="knn_overlap", least=3)
    n = len(x_ND)
    if not 1 <= k <= n - 2:
        raise DataError(f"knn_overlap: k {k} must lie from 1 to {n - 2}, two less than the cases")
    lack = without_spread(x=centred(x_ND), y=centred(y_NE))
    near_x_NN, near_y_NN = neighbourhoods(x_ND, k), neighbourhoods(y_NE, k)
    value, influence_N = overlap(x_ND, y_NE, near_x_NN, near_y_NN)
    first, second = np.nonzero(near_x_NN)

    def null(order_PN: Int[np.ndarray, "P N"]) -> Float[np.ndarray, "P"]:
        hits = [near_y_NN[order_N[first], order_N[second]].sum() for order_N in order_PN]
        return np.array(hits) / (n * k)

    return infer(
        unassessed(
            f"knn_overlap_{k}",
            nan if lack else value,
            n,
            lack,
            f"chance is {k / (n - 1):.3g}",
        ),
        weighted=lambda weights_RN: np.clip(weights_RN @ influence_N / weights_RN.sum(1), 0, 1),
        null=null,
        resampling=Resampling(groups, replicates, permutations, confidence, rng),
    )


def overlap(
    x_ND: Float[np.ndarray, "N D"],
    y_NE: Float[np.ndarray, "N E"],
    near_x_NN: Bool[np.ndarray, "N N"],
    near_y_NN: Bool[np.ndarray, "N N"],
) -> tuple[float, Float[np.ndarray, "N"]]:
    """Return the mean overlap and each case's jackknife influence on it, whose mean it is.

    Without case j its own neighbourhood is gone, and wherever it was a neighbour the next nearest
    takes its place: a in x, b in y, which may be shared in turn.
    """
    n, k = len(near_x_NN), int(near_x_NN[0].sum())
    at_N = np.arange(n)
    a_N = (neighbourhoods(x_ND, k + 1) & ~near_x_NN).argmax(1)
    b_N = (neighbourhoods(y_NE, k + 1) & ~near_y_NN).argmax(1)
    both_NN = near_x_NN & near_y_NN
    gained_N = (
        near_y_NN[at_N, a_N].astype(np.float64) @ near_x_NN
        + near_x_NN[at_N, b_N].astype(np.float64) @ near_y_NN
        + ((a_N == b_N) - 1.0) @ both_NN
    )
    shared_N = both_NN.sum(1)
    value = float(shared_N.mean()) / k
    influence_N = (shared_N - gained_N) / k
    return value, influence_N - influence_N.mean() + value


def neighbourhoods(values_ND: Float[np.ndarray, "N D"], k: int) -> Bool[np.ndarray, "N N"]:
    """Return whether column j is among the k nearest of row i; of equals, the earlier."""
    n = len(values_ND)
    lengths_N1 = np.linalg.norm(values_ND, axis=1, keepdims=True)
    units_ND = np.divide(values_ND, lengths_N1, out=np.zeros_like(values_ND), where=lengths_N1 > 0)
    near_NN: NDArray[np.bool_] = np.zeros((n, n), dtype=bool)
    rows = max(1, TILE_BYTES // (8 * n))
    for start in range(0, n, rows):
        at_B = np.arange(start, min(start + rows, n))
        cosines_BN = np.round(units_ND[at_B] @ units_ND.T, DECIMALS)
        cosines_BN[np.arange(len(at_B)), at_B] = -np.inf
        inside, column = nearest(cosines_BN, k)
        near_NN[at_B[inside], column] = True
    return near_NN
