"""AUROC and average precision of one label, for many weightings of the cases at once.

The cases are sorted once; every replicate then needs two running sums. Weights are whole numbers,
so that sums are exact and ties cannot be broken by rounding.

Legend: N cases, P positives, Q negatives, S steps between positives, R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True, slots=True)
class Ranking:
    """One label's known cases, by ascending score.

    ``positive_P`` are rows. ``steps_SN`` adds up the negatives between one positive and the next
    (sparse: of the running sum over all negatives only the values at positives are wanted);
    ``lower_P`` and ``upto_P`` are the steps up to which negatives score lower than each positive,
    and lower or equal; ``before_P`` counts the positives that score lower.
    """

    positive_P: Int[np.ndarray, "P"]
    steps_SN: Any
    lower_P: Int[np.ndarray, "P"]
    upto_P: Int[np.ndarray, "P"]
    before_P: Int[np.ndarray, "P"]


def rank(truth_N: Float[np.ndarray, "N"], score_N: Float[np.ndarray, "N"]) -> Ranking:
    """Sort the cases of one label; those with unknown truth or without a score are left out."""
    from scipy.sparse import csr_array

    order_N = np.argsort(score_N, kind="stable")
    known_N = order_N[~np.isnan(score_N[order_N]) & ~np.isnan(truth_N[order_N])]
    positive_P = known_N[truth_N[known_N] == 1]
    negative_Q = known_N[truth_N[known_N] == 0]
    score_P, score_Q = score_N[positive_P], score_N[negative_Q]
    lower_P = np.searchsorted(score_Q, score_P, "left")
    upto_P = np.searchsorted(score_Q, score_P, "right")
    edges = np.unique(np.concatenate([[0], lower_P, upto_P, [len(negative_Q)]]))
    ones_Q = np.ones(len(negative_Q))
    return Ranking(
        positive_P,
        csr_array((ones_Q, negative_Q, edges), shape=(len(edges) - 1, len(score_N))),
        np.searchsorted(edges, lower_P),
        np.searchsorted(edges, upto_P),
        np.searchsorted(score_P, score_P, "left"),
    )


def auroc_and_average_precision(
    ranking: Ranking, weights_NR: Float[np.ndarray, "N R"]
) -> tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"]]:
    """Return both measures for each weighting; NaN where a weighting lacks a class.

    AUROC is the share of positive–negative pairs in the right order, ties half (Hanley & McNeil
    1982); average precision is the step-wise sum over distinct scores, as scikit-learn has it.
    """
    weights_PR = weights_NR[ranking.positive_P]
    negatives_SR = _running_sum(ranking.steps_SN @ weights_NR)
    positives_PR = _running_sum(weights_PR)
    lower_PR = negatives_SR[ranking.lower_P]
    positive_R, negative_R = positives_PR[-1], negatives_SR[-1]
    pairs_R = np.einsum("pr,pr->r", weights_PR, lower_PR + negatives_SR[ranking.upto_P]) / 2
    found_PR = positive_R - positives_PR[ranking.before_P]
    precision_PR = found_PR / np.maximum(found_PR + (negative_R - lower_PR), 1)
    auroc_R = ratio(pairs_R, positive_R * negative_R)
    return auroc_R, ratio(np.einsum("pr,pr->r", weights_PR, precision_PR), positive_R)


def midranks(values_N: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Return ranks from 1; equal values share the mean of theirs.

    >>> midranks(np.array([0.3, 0.1, 0.3])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place_N]


def ratio(
    above: Float[np.ndarray, "*shape"], below: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return the quotient, NaN where it is undefined.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _running_sum(weights_NR: Float[np.ndarray, "N R"]) -> Float[np.ndarray, "N1 R"]:
    sums_NR = np.zeros((len(weights_NR) + 1, weights_NR.shape[1]))
    np.cumsum(weights_NR, axis=0, out=sums_NR[1:])
    return sums_NR
