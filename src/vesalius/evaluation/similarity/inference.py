"""The interval and the permutation test that every measure of similarity shares.

Drawing patients with replacement answers how far the value would move with other patients;
shuffling the rows of y against x answers how alike two unrelated representations would look.

Legend: N cases, R replicates, P permutations, B cases of a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, lgamma, log, nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.bootstrap import Interval, WeightedMeasure, bootstrap
from vesalius.evaluation.similarity.result import Similarity

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Null = Callable[[NDArray[np.intp]], NDArray[np.float64]]

TOLERANCE = 1e-7  # a null value that is this near counts as no less alike
TILE_BYTES = 512 << 10  # rows that are shuffled together: they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Resampling:
    """What is drawn: patients for the interval, orders of y's rows for the null."""

    groups: ArrayLike | None
    replicates: int
    permutations: int
    confidence: float
    rng: int | np.random.Generator


def infer(
    empty: Similarity,
    *,
    weighted: WeightedMeasure,
    null: Null,
    resampling: Resampling,
    smaller_is_alike: bool = False,
    reflected: bool = False,
) -> Similarity:
    """Return the similarity with its interval and p-value; ``empty`` holds the rest.

    p = (1 + #{null at least as alike as observed}) / (1 + P), never 0. ``reflected`` asks for the
    basic interval, 2·value − quantile, which undoes a bias that the bootstrap doubles.
    """
    clusters_N = cluster_of(resampling.groups, empty.n, empty.name)
    grouped = resampling.groups is not None
    draw_rng, shuffle_rng = np.random.default_rng(resampling.rng).spawn(2)
    clusters = len(np.unique(clusters_N))
    notes = list(empty.notes)
    interval, p_value, null_P = Interval(nan, nan), nan, np.empty(0)
    if resampling.replicates and not isnan(empty.value):
        interval = bootstrap(
            weighted,
            clusters_N,
            replicates=resampling.replicates,
            confidence=resampling.confidence,
            rng=draw_rng,
        )
        if isnan(interval.low):
            notes.append(interval.note)
    if resampling.permutations and not isnan(empty.value):
        order_PN, note = shuffles(clusters_N, resampling.permutations, shuffle_rng, grouped=grouped)
        notes.append(note)
        null_P = null(order_PN) if len(order_PN) else null_P
    if len(null_P):
        observed = float(null(np.arange(empty.n)[None])[0])
        gap_P = (observed - null_P) if smaller_is_alike else (null_P - observed)
        p_value = (1 + int(np.sum(gap_P >= -TOLERANCE))) / (1 + len(null_P))
    low, high = interval.low, interval.high
    if reflected:
        low, high = max(2 * empty.value - high, 0.0), min(2 * empty.value - low, 1.0)
    return Similarity(
        empty.name,
        empty.value,
        low,
        high,
        empty.n,
        clusters,
        p_value,
        null_P,
        resampling.confidence,
        tuple(note for note in notes if note),
    )


def unassessed(name: str, value: float, n: int, *notes: str) -> Similarity:
    """Return a value that has no interval and no p-value yet."""
    return Similarity(name, value, nan, nan, n, n, nan, np.empty(0), notes=notes)


def undefined(order_PN: Int[np.ndarray, "P N"]) -> Float[np.ndarray, "P"]:
    """Return NaN for each order: the null of a measure without a value."""
    return np.full(len(order_PN), nan)


def cluster_of(groups: ArrayLike | None, n: int, of: str) -> NDArray[np.intp]:
    """Return the number of each case's group; without groups every case is its own."""
    if groups is None:
        return np.arange(n)
    names_N = np.asarray(groups)
    if names_N.shape != (n,):
        raise DataError(f"{of}: groups has shape {names_N.shape}; {n} cases need one group each")
    return np.unique(names_N, return_inverse=True)[1]


def shuffles(
    clusters_N: Int[np.ndarray, "N"], permutations: int, rng: np.random.Generator, *, grouped: bool
) -> tuple[Int[np.ndarray, "P N"], str]:
    """Return orders of the rows of y, and what limits them.

    Whole groups trade places with groups of the same size, case by case in the order given: what
    holds within a patient stays. A group whose size no other has stays where it is, which makes the
    test careful. None come back where nothing can move.
    """
    sizes_G = np.bincount(clusters_N)
    members = np.split(np.argsort(clusters_N, kind="stable"), np.cumsum(sizes_G)[:-1])
    blocks = [
        np.stack([members[g] for g in np.flatnonzero(sizes_G == size)])
        for size in np.unique(sizes_G)
    ]
    movable = [rows_gs for rows_gs in blocks if len(rows_gs) > 1]
    if not movable:
        return np.empty((0, len(clusters_N)), np.intp), "no p-value: no two groups have one size"
    order_PN = np.tile(np.arange(len(clusters_N)), (permutations, 1))
    for order_N in order_PN:
        for rows_gs in movable:
            order_N[rows_gs.ravel()] = rows_gs[rng.permutation(len(rows_gs))].ravel()
    still = len(clusters_N) - sum(rows_gs.size for rows_gs in movable)
    arrangements = sum(lgamma(len(rows_gs) + 1) for rows_gs in movable)
    notes = [
        "p by shuffling groups of one size" if grouped else "",
        f"{still} cases cannot move" if still else "",
        f"only {np.exp(arrangements):.0f} orders exist" if arrangements < log(permutations) else "",
    ]
    return order_PN, ", ".join(note for note in notes if note)


def shuffled_products(
    a_NN: Float[np.ndarray, "N N"], b_NN: Float[np.ndarray, "N N"], order_PN: Int[np.ndarray, "P N"]
) -> Float[np.ndarray, "P"]:
    """Return Σ_ij a_ij b_π(i)π(j) for each order π: Mantel's statistic (1967), in tiles."""
    n = len(a_NN)
    rows = max(1, TILE_BYTES // (8 * n))
    sums_P = np.zeros(len(order_PN))
    for p, order_N in enumerate(order_PN):
        for start in range(0, n, rows):
            tile_B = order_N[start : start + rows]
            b_BN = np.take(b_NN[tile_B], order_N, axis=1, mode="clip")
            # Not np.vdot: its threads cost more to wake than so short a sum.
            sums_P[p] += np.einsum("bn,bn->", a_NN[start : start + rows], b_BN)
    return sums_P
