"""Does a score of 0.8 come true eight times in ten?

Only scores between 0 and 1 can be asked that; for others the answers are NaN.

Legend: N cases, C labels, R replicates, K bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError, unknown
from vesalius.core.predictions import Predictions
from vesalius.evaluation.ranking import ratio

if TYPE_CHECKING:
    from jaxtyping import Float, Int

BINS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """The curve: in each bin the mean score, the share that is positive, and how many.

    Empty bins hold NaN and a count of 0. ``ece`` is the mean distance of the two, weighted by
    counts.
    """

    predicted_K: Float[np.ndarray, "K"]
    observed_K: Float[np.ndarray, "K"]
    counts_K: Int[np.ndarray, "K"]
    label: str = ""
    low_K: Float[np.ndarray, "K"] | None = None
    high_K: Float[np.ndarray, "K"] | None = None

    @property
    def ece(self) -> float:
        gaps_K = np.abs(np.nan_to_num(self.observed_K - self.predicted_K))
        total = int(self.counts_K.sum())
        return float(gaps_K @ self.counts_K / total) if total else nan


def reliability(
    predictions: Predictions, *, label: str | None = None, bins: int = BINS
) -> Reliability:
    """Return the reliability curve of one label, or of all case × label pairs pooled.

    Multi-class predictions without ``label`` give the top-label curve: the highest score of each
    case against whether that class is right. Raises DataError for scores outside 0…1.
    """
    truths_NC = known_truths(predictions)
    scores_NC = np.asarray(predictions.scores_NC, dtype=float)
    if label is not None:
        if label not in predictions.label_names:
            raise unknown("label", label, predictions.label_names)
        column = [predictions.label_names.index(label)]
        truth_N, score_N = truths_NC[:, column].ravel(), scores_NC[:, column].ravel()
    elif predictions.task == "multiclass":
        truth_N, score_N = top_label_pairs(truths_NC, scores_NC)
    else:
        truth_N, score_N = truths_NC.ravel(), scores_NC.ravel()
    known_N = ~np.isnan(truth_N)
    truth_N, score_N = truth_N[known_N], score_N[known_N]
    if not are_probabilities(score_N):
        raise DataError(
            f"reliability of {predictions.method or 'these predictions'}: scores lie outside "
            "0…1 and are no probabilities; see temperature_scaling and apply_temperature"
        )
    bin_N = bin_of(score_N, bins)
    counts_K = np.bincount(bin_N, minlength=bins)
    return Reliability(
        ratio(np.bincount(bin_N, score_N, bins), counts_K),
        ratio(np.bincount(bin_N, truth_N, bins), counts_K),
        counts_K,
        label or "",
    )


def ece(
    truth_N: Float[np.ndarray, "N"], score_N: Float[np.ndarray, "N"], *, bins: int = BINS
) -> float:
    """Return the expected calibration error: Σ_k n_k/n · |mean truth − mean score| in bin k.

    Bins are of equal width, (k/K, (k+1)/K]. NaN truths do not count; NaN where a score lies outside
    0…1. Source: Guo et al. 2017, eq. 3.

    >>> round(ece(np.array([1.0, 0, 1, 1]), np.array([0.75, 0.75, 0.75, 0.75])), 6)
    0.0
    """
    weights_1N = np.ones((1, len(truth_N)))
    return float(
        ece_each(np.asarray(truth_N)[:, None], np.asarray(score_N)[:, None], weights_1N, bins=bins)[
            0, 0
        ]
    )


def ece_each(
    truths_NC: Float[np.ndarray, "N C"],
    scores_NC: Float[np.ndarray, "N C"],
    weights_RN: Float[np.ndarray, "R N"],
    *,
    bins: int = BINS,
) -> Float[np.ndarray, "R C"]:
    """Return the expected calibration error of each label, for each weighting of the cases."""
    known_NC = ~np.isnan(truths_NC) & ~np.isnan(scores_NC)
    totals_RC = weights_RN @ known_NC.astype(float)
    columns = []
    for known_N, truth_N, score_N in zip(known_NC.T, truths_NC.T, scores_NC.T, strict=True):
        rows = np.flatnonzero(known_N)
        if not are_probabilities(score_N[rows]):
            columns.append(np.full(len(weights_RN), nan))
            continue
        gaps_NK = np.zeros((len(known_N), bins))
        gaps_NK[rows, bin_of(score_N[rows], bins)] = truth_N[rows] - score_N[rows]
        columns.append(np.abs(weights_RN @ gaps_NK).sum(1))
    return ratio(np.stack(columns, axis=1), totals_RC)


def brier_each(
    truths_NC: Float[np.ndarray, "N C"],
    scores_NC: Float[np.ndarray, "N C"],
    weights_RN: Float[np.ndarray, "R N"],
) -> Float[np.ndarray, "R C"]:
    """Return each label's mean squared distance of score and truth (Brier 1950, one-sided form)."""
    known_NC = ~np.isnan(truths_NC) & ~np.isnan(scores_NC)
    proper_C = [
        are_probabilities(score_N[known_N])
        for score_N, known_N in zip(scores_NC.T, known_NC.T, strict=True)
    ]
    errors_NC = np.subtract(
        scores_NC, truths_NC, out=np.zeros(scores_NC.shape), where=known_NC & proper_C
    )
    brier_RC = ratio(weights_RN @ errors_NC**2, weights_RN @ known_NC.astype(float))
    return np.where(proper_C, brier_RC, nan)


def top_label_pairs(
    truths_NC: Float[np.ndarray, "N C"], scores_NC: Float[np.ndarray, "N C"]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return whether the highest-scored class is right, and its score."""
    best_N = np.argmax(np.nan_to_num(scores_NC, nan=-np.inf), axis=1)
    rows_N = np.arange(len(best_N))
    return truths_NC[rows_N, best_N], scores_NC[rows_N, best_N]


def bin_of(score_N: Float[np.ndarray, "N"], bins: int) -> Int[np.ndarray, "N"]:
    """Return the bin (k/K, (k+1)/K] of each score; 0 belongs to the first.

    >>> bin_of(np.array([0.0, 0.2, 0.21, 1.0]), 5).tolist()
    [0, 0, 1, 4]
    """
    return np.searchsorted(np.arange(1, bins) / bins, score_N, "left")


def are_probabilities(scores: Float[np.ndarray, "..."]) -> bool:
    """Return whether every score that is there lies between 0 and 1."""
    there = scores[~np.isnan(scores)]
    return bool(((there >= 0) & (there <= 1)).all())


def known_truths(predictions: Predictions) -> Float[np.ndarray, "N C"]:
    """Return the truths, NaN also where the model gave no score."""
    truths_NC = np.asarray(predictions.truths_NC, dtype=float)
    return np.where(np.isnan(predictions.scores_NC), np.nan, truths_NC)
