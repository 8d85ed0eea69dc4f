"""Nearest neighbours: what the training cases that lie closest have.

    score(i, c) = Σ_j w_ij y_jc / Σ_j w_ij,  w_ij = exp(cos(i, j) / T)

over the k training cases of highest cosine whose label c is known. Source: Wu et al. 2018, sec. 3.4
(k = 200, T = 0.07), as DINO and lightly use it.

Legend: N cases, B of them in a tile, M training cases, C labels, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, Predictions
from vesalius.evaluation.alignment import align, class_of, ledger, rows_of

if TYPE_CHECKING:
    from jaxtyping import Float, Int

TILE_BYTES = 32 << 20
DECIMALS = 12  # cosines are compared to these: copies of a case tie, whatever the rounding


def knn(
    embeddings: Embeddings, cases: CaseSet, *, k: int = 20, temperature: float = 0.07
) -> Predictions:
    """Let the nearest training cases vote on every case (protocol ``knn/v1``).

    Neighbours come from the ``train`` split, those with a known label; k is clipped to their
    number. A training case never votes on itself. Equal cosines go to the earlier training case.
    Unknown labels do not vote; where no neighbour knows a label its score is NaN.

    Raises DataError where there is no training case with a label, or k or temperature is not
    positive.
    """
    if k < 1 or not temperature > 0:
        raise DataError(f"knn: k {k} must be 1 or more, and temperature {temperature} above 0")
    embeddings, cases = align(embeddings, cases)
    labels_NC = _votable(cases)
    train_M = np.flatnonzero(rows_of(cases, "train", "knn") & ~np.isnan(labels_NC).all(1))
    if train_M.size == 0:
        raise DataError("knn: no training case has a known label")
    units_ND = embeddings.normalised().astype(np.float64)
    scores_NC = np.empty(labels_NC.shape)
    tile = max(1, TILE_BYTES // (8 * len(train_M)))
    own_N = np.full(len(cases), -1)
    own_N[train_M] = np.arange(len(train_M))
    for start in range(0, len(cases), tile):
        rows_B = np.arange(start, min(start + tile, len(cases)))
        cosines_BM = np.round(units_ND[rows_B] @ units_ND[train_M].T, DECIMALS)
        itself_B = np.flatnonzero(own_N[rows_B] >= 0)
        cosines_BM[itself_B, own_N[rows_B[itself_B]]] = -np.inf
        scores_NC[rows_B] = _votes(cosines_BM, labels_NC[train_M], k, temperature)
    return ledger(cases, scores_NC, method=f"knn/v1 k={k}")


def nearest(cosines_BM: Float[np.ndarray, "B M"], k: int) -> tuple[NDArray[np.int64], ...]:
    """Return rows and columns of the k highest of each row; of equals, the first columns.

    >>> nearest(np.array([[0.1, 0.9, 0.9, 0.9]]), 2)
    (array([0, 0]), array([1, 2]))
    """
    m = cosines_BM.shape[1]
    kth_B1 = np.partition(cosines_BM, m - k, axis=1)[:, m - k, None]
    above_BM, equal_BM = cosines_BM > kth_B1, cosines_BM == kth_B1
    left_B1 = k - above_BM.sum(1, keepdims=True)
    return np.nonzero(above_BM | (equal_BM & (equal_BM.cumsum(1) <= left_B1)))


def _votes(
    cosines_BM: Float[np.ndarray, "B M"],
    labels_MC: Float[np.ndarray, "M C"],
    k: int,
    temperature: float,
) -> Float[np.ndarray, "B C"]:
    """Return the weighted share of the neighbours that have each label."""
    from scipy.sparse import csr_array

    rows, columns = nearest(cosines_BM, min(k, cosines_BM.shape[1]))
    found = cosines_BM[rows, columns]
    highest_B = np.max(cosines_BM, axis=1)
    highest_B[np.isneginf(highest_B)] = 0.0
    weights = np.exp((found - highest_B[rows]) / temperature)  # the shift cancels in the share
    weights_BM = csr_array((weights, (rows, columns)), shape=cosines_BM.shape)
    known_MC = ~np.isnan(labels_MC)
    votes_BC = weights_BM @ np.where(known_MC, labels_MC, 0.0)
    total_BC = weights_BM @ known_MC.astype(np.float64)
    return np.divide(
        votes_BC, total_BC, out=np.full(votes_BC.shape, np.nan), where=np.asarray(total_BC) > 0
    )


def _votable(cases: CaseSet) -> Float[np.ndarray, "N C"]:
    """Return the labels; in a multi-class set the whole row, or nothing of it."""
    if cases.task == "multilabel":
        return np.asarray(cases.labels_NC, dtype=np.float64)
    class_N: Int[np.ndarray, "N"] = class_of(cases.labels_NC)
    one_hot_NC = np.full(cases.labels_NC.shape, np.nan)
    known_N = np.flatnonzero(class_N >= 0)
    one_hot_NC[known_N] = 0.0
    one_hot_NC[known_N, class_N[known_N]] = 1.0
    return one_hot_NC
