"""How far a number would have moved with other patients: the cluster bootstrap.

Whole clusters (patients) are drawn with replacement, never single images: two images of one patient
are not two witnesses. A replicate is a row of case weights, how often the case's cluster was drawn,
so that a measure can work on many replicates at once.

Legend: R replicates, N cases, G clusters, K measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError, unknown

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Kind = Literal["percentile", "bca"]
WeightedMeasure = Callable[[NDArray[np.float64]], NDArray[np.floating[Any]]]

BLOCK_BYTES = 8 << 20  # one block of weights: small enough to stay near the processor
MOST_DRAWS = 20  # times the replicates; a measure that needs more has no interval


@dataclass(frozen=True, slots=True)
class Interval:
    """The interval of a measure; NaN where none can be had, and ``note`` says why.

    ``redrawn`` counts the replicates in which the measure was undefined (a class was missing) and
    that were drawn anew, ``clusters`` the independent units.
    """

    low: float
    high: float
    redrawn: int = 0
    clusters: int = 0
    note: str = ""


def bootstrap(
    measure: WeightedMeasure,
    clusters_N: NDArray[Any],
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
    kind: Kind = "percentile",
    rng: np.random.Generator,
) -> Interval:
    """Return the interval of one measure, by drawing clusters with replacement.

    Args:
        measure: takes ``weights_RN`` (float64 that holds whole numbers, so that matrix products are
            fast; C order) and returns ``values_R``, NaN where a replicate leaves it undefined.
        clusters_N: the patient of each case.
        replicates: how many defined replicates the interval rests on.
        confidence: the nominal coverage.
        kind: ``percentile``, or ``bca`` (bias-corrected and accelerated, with the acceleration from
            leaving out one cluster at a time).
        rng: the source of the draws.

    Source: Efron & Tibshirani 1993, ch. 13–14; Field & Welsh 2007 for clusters.

    >>> values_N = np.arange(40.0)
    >>> mean = lambda weights_RN: weights_RN @ values_N / weights_RN.sum(1)
    >>> interval = bootstrap(mean, np.arange(40), rng=np.random.default_rng(0))
    >>> round(interval.low), round(interval.high), interval.clusters
    (16, 23, 40)
    """
    (interval,) = bootstrap_each(
        lambda weights_RN: np.asarray(measure(weights_RN)).reshape(-1, 1),
        clusters_N,
        replicates=replicates,
        confidence=confidence,
        kind=kind,
        rng=rng,
    )
    return interval


def bootstrap_each(
    measure: WeightedMeasure,
    clusters_N: NDArray[Any],
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
    kind: Kind = "percentile",
    rng: np.random.Generator,
) -> list[Interval]:
    """Return the intervals of K measures from the same draws: ``measure`` returns ``values_RK``.

    A replicate that leaves measure k undefined is drawn anew for that measure alone.
    """
    if kind not in ("percentile", "bca"):
        raise unknown("interval kind", kind, ("percentile", "bca"))
    if not 0 < confidence < 1 or replicates < 1:
        raise DataError(
            f"bootstrap: confidence {confidence} must lie between 0 and 1, "
            f"and replicates {replicates} must be 1 or more"
        )
    names, cluster_N = np.unique(clusters_N, return_inverse=True)
    point_K = _values(measure, np.ones((1, len(cluster_N))))[0]
    if len(names) < 2:
        note = f"no interval from {len(names)} patient{'s' * (len(names) != 1)}"
        return [Interval(nan, nan, clusters=len(names), note=note) for _ in point_K]
    kept, redrawn_K = _replicate_values(measure, cluster_N, len(names), point_K, replicates, rng)
    levels = ((1 - confidence) / 2, (1 + confidence) / 2)
    jackknife_GK = _jackknife(measure, cluster_N, len(names)) if kind == "bca" else None
    intervals = []
    for k, values_R in enumerate(kept):
        redrawn = int(redrawn_K[k])
        if len(values_R) < replicates:
            note = (
                "undefined on these cases"
                if np.isnan(point_K[k])
                else f"no interval: {redrawn} of {redrawn + len(values_R)} replicates undefined"
            )
            intervals.append(Interval(nan, nan, redrawn, len(names), note))
            continue
        at = levels
        if jackknife_GK is not None:
            at = bca_levels(values_R, float(point_K[k]), jackknife_GK[:, k], levels)
        low, high = np.quantile(values_R, at)
        note = f"{redrawn} replicates missed a class" if redrawn > replicates else ""
        intervals.append(Interval(float(low), float(high), redrawn, len(names), note))
    return intervals


def draws(
    cluster_N: Int[np.ndarray, "N"], clusters: int, replicates: int, rng: np.random.Generator
) -> Iterator[Float[np.ndarray, "R N"]]:
    """Yield blocks of case weights, ``replicates`` rows in all; ``cluster_N`` counts from 0."""
    rows = block_rows(max(len(cluster_N), clusters))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        drawn_RG = rng.integers(0, clusters, (size, clusters))
        drawn_RG += clusters * np.arange(size)[:, None]
        counts_RG = np.bincount(drawn_RG.ravel(), minlength=size * clusters)
        yield counts_RG.reshape(size, clusters).astype(np.float64)[:, cluster_N]


def block_rows(cases: int) -> int:
    """Return how many replicates are worked on at once, so that memory does not grow with them."""
    return max(1, BLOCK_BYTES // (8 * max(cases, 1)))


def bca_levels(
    values_R: Float[np.ndarray, "R"],
    point: float,
    jackknife_G: Float[np.ndarray, "G"],
    levels: tuple[float, float],
) -> tuple[float, float]:
    """Return the quantiles at which a bias-corrected and accelerated interval is read off.

    Source: Efron 1987, eq. 2.3 (bias correction) and 6.6 (acceleration by the jackknife).
    """
    from scipy.special import ndtr, ndtri

    gap_R = values_R - point
    tie_R = np.abs(gap_R) <= 1e-12 * max(1.0, abs(point))  # what rounding leaves of no gap
    below = (np.sum((gap_R < 0) & ~tie_R) + 0.5 * np.sum(tie_R)) / len(values_R)
    if below in (0.0, 1.0):
        return levels
    bias = ndtri(below)
    left_G = jackknife_G[~np.isnan(jackknife_G)]
    centred_G = left_G.mean() - left_G if left_G.size else np.zeros(1)
    spread = float(np.sum(centred_G**2))
    acceleration = float(np.sum(centred_G**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + ndtri(np.asarray(levels))
    low, high = ndtr(bias + z / (1 - acceleration * z))
    return float(low), float(high)


def _values(measure: WeightedMeasure, weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
    values_RK = np.asarray(measure(weights_RN), dtype=np.float64)
    if values_RK.ndim != 2 or len(values_RK) != len(weights_RN):
        raise ValueError(
            f"the measure gave shape {values_RK.shape} for {len(weights_RN)} replicates"
        )
    return values_RK


def _replicate_values(
    measure: WeightedMeasure,
    cluster_N: Int[np.ndarray, "N"],
    clusters: int,
    point_K: Float[np.ndarray, "K"],
    replicates: int,
    rng: np.random.Generator,
) -> tuple[list[NDArray[np.float64]], Int[np.ndarray, "K"]]:
    """Return for each measure its first defined replicates, and how many were redrawn for them."""
    kept: list[NDArray[np.float64]] = [np.empty(0) for _ in point_K]
    redrawn_K = np.zeros(len(point_K), dtype=np.int64)
    open_K = ~np.isnan(point_K)
    drawn, wanted = 0, replicates
    while open_K.any():
        blocks = draws(cluster_N, clusters, wanted, rng)
        values_RK = np.concatenate([_values(measure, weights_RN) for weights_RN in blocks])
        drawn += wanted
        for k in np.flatnonzero(open_K):
            good_R = np.flatnonzero(~np.isnan(values_RK[:, k]))[: replicates - len(kept[k])]
            kept[k] = np.concatenate([kept[k], values_RK[good_R, k]])
            full = len(kept[k]) == replicates
            seen = good_R[-1] + 1 if full else wanted
            redrawn_K[k] += seen - len(good_R)
            # Hopeless ones are given up at once: they would cost every other measure's time.
            open_K[k] = not full and len(kept[k]) * MOST_DRAWS > drawn
        missing = [
            (replicates - len(kept[k])) * drawn / len(kept[k]) for k in np.flatnonzero(open_K)
        ]
        wanted = int(1.1 * max(missing, default=0.0)) + 16
        wanted = min(wanted, 2 * MOST_DRAWS * replicates + 16 - drawn)
        open_K &= wanted > 0
    return kept, redrawn_K


def _jackknife(
    measure: WeightedMeasure, cluster_N: Int[np.ndarray, "N"], clusters: int
) -> Float[np.ndarray, "G K"]:
    """Return the measures with one cluster left out at a time."""
    rows = block_rows(len(cluster_N))
    blocks = []
    for start in range(0, clusters, rows):
        left_out = np.arange(start, min(start + rows, clusters))
        blocks.append(_values(measure, (cluster_N != left_out[:, None]).astype(np.float64)))
    return np.concatenate(blocks)
