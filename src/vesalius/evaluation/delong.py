"""Two AUROCs on the same cases: DeLong's test, fast, and its form for clustered cases.

Legend: N cases, P positives, Q negatives, M models, G clusters.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.comparison import Comparison
from vesalius.evaluation.ranking import midranks

if TYPE_CHECKING:
    from jaxtyping import Float

NO_VARIANCE = 1e-15  # what rounding leaves of a variance of 0


def delong(
    truth_N: Float[np.ndarray, "N"],
    first_N: Float[np.ndarray, "N"],
    second_N: Float[np.ndarray, "N"],
    clusters_N: NDArray[Any] | None = None,
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Return the difference of two AUROCs with its normal interval and two-sided p-value.

    Cases of unknown truth (NaN) or without a score are left out. With ``clusters_N`` (patients) the
    variance is that of clustered cases. Identical scores differ by exactly 0 with p = 1; where the
    variance is 0 but the difference is not (perfect separation), there is no p-value.

    Source: DeLong, DeLong & Clarke-Pearson 1988; the algorithm of Sun & Xu 2014; Obuchowski 1997
    for clusters.

    >>> truth_N = np.array([0, 0, 0, 1, 1, 1.0])
    >>> one = delong(truth_N, np.array([1, 2, 5, 3, 4, 6.0]), np.array([1, 4, 5, 2, 3, 6.0]))
    >>> round(one.first_value, 3), round(one.second_value, 3), round(one.p_value, 3)
    (0.778, 0.556, 0.371)
    """
    from scipy.special import ndtr, ndtri

    truth_N = np.asarray(truth_N, dtype=float)
    scores_2N = np.stack([np.asarray(first_N, float), np.asarray(second_N, float)])
    known_N = ~np.isnan(truth_N) & ~np.isnan(scores_2N).any(0)
    truth_N, scores_2N = truth_N[known_N], scores_2N[:, known_N]
    if clusters_N is not None:
        clusters_N = np.asarray(clusters_N)[known_N]
    if not ((truth_N == 0) | (truth_N == 1)).all():
        raise DataError("delong: a truth is 1, 0 or NaN (unknown)")
    test = "DeLong" if clusters_N is None else "DeLong, clustered by patient"
    n = len(truth_N)
    clusters = n if clusters_N is None else len(np.unique(clusters_N))
    blank = Comparison("auroc", "first", "second", nan, nan, nan, test=test, n=n, clusters=clusters)
    if truth_N.all() or not truth_N.any():
        return replace(blank, note=f"no {'negative' if truth_N.any() else 'positive'} case")
    auroc_2, covariance_22 = auroc_covariance(truth_N, scores_2N, clusters_N)
    difference = float(auroc_2[0] - auroc_2[1])
    variance = float(covariance_22[0, 0] + covariance_22[1, 1] - 2 * covariance_22[0, 1])
    low, high, p_value, note = nan, nan, nan, ""
    if np.array_equal(*scores_2N):
        low, high, p_value = 0.0, 0.0, 1.0
    elif not variance > NO_VARIANCE:
        p_value = 1.0 if difference == 0 else nan
        note = f"the difference has no variance in {clusters} clusters"
    else:
        error = np.sqrt(variance)
        half = ndtri((1 + confidence) / 2) * error
        low, high = difference - half, difference + half
        p_value = float(2 * ndtr(-abs(difference) / error))
    return replace(
        blank,
        first_value=float(auroc_2[0]),
        second_value=float(auroc_2[1]),
        difference=difference,
        low=float(low),
        high=float(high),
        p_value=p_value,
        confidence=confidence,
        note=note,
    )


def auroc_covariance(
    truth_N: Float[np.ndarray, "N"],
    scores_MN: Float[np.ndarray, "M N"],
    clusters_N: NDArray[Any] | None = None,
) -> tuple[Float[np.ndarray, "M"], Float[np.ndarray, "M M"]]:
    """Return the AUROCs of M models on the same cases and their covariance.

    Without clusters every case is its own. NaN where a class comes from a single cluster.
    """
    positive_N = truth_N == 1
    p, q = int(positive_N.sum()), int((~positive_N).sum())
    all_MN = np.stack([midranks(score_N) for score_N in scores_MN])
    own_MP = np.stack([midranks(score_N[positive_N]) for score_N in scores_MN])
    own_MQ = np.stack([midranks(score_N[~positive_N]) for score_N in scores_MN])
    # The share of the other class that each case stands on the right side of.
    place_MP = (all_MN[:, positive_N] - own_MP) / q
    place_MQ = 1 - (all_MN[:, ~positive_N] - own_MQ) / p
    auroc_M = (all_MN[:, positive_N].sum(1) - p * (p + 1) / 2) / (p * q)
    if clusters_N is None:
        clusters_N = np.arange(len(truth_N))
    names, cluster_N = np.unique(clusters_N, return_inverse=True)
    sums_MGp = _cluster_sums(place_MP - auroc_M[:, None], cluster_N[positive_N], len(names))
    sums_MGq = _cluster_sums(place_MQ - auroc_M[:, None], cluster_N[~positive_N], len(names))
    with_p = len(np.unique(cluster_N[positive_N]))
    with_q = len(np.unique(cluster_N[~positive_N]))
    if with_p < 2 or with_q < 2:
        return auroc_M, np.full((len(scores_MN), len(scores_MN)), nan)
    s10_MM = with_p / ((with_p - 1) * p) * sums_MGp @ sums_MGp.T
    s01_MM = with_q / ((with_q - 1) * q) * sums_MGq @ sums_MGq.T
    s11_MM = len(names) / (len(names) - 1) * sums_MGp @ sums_MGq.T
    return auroc_M, s10_MM / p + s01_MM / q + (s11_MM + s11_MM.T) / (p * q)


def _cluster_sums(
    values_MN: Float[np.ndarray, "M N"], cluster_N: NDArray[np.integer], clusters: int
) -> Float[np.ndarray, "M G"]:
    return np.stack([np.bincount(cluster_N, values_N, clusters) for values_N in values_MN])
