"""Separability: how far apart the classes lie in the space of the features.

With class centroids μ_c, as the IU-Xray study defines them (arXiv 2506.14136), on features as the
model gives them:

    intra = mean over classes of the mean ‖x_i − μ_c‖ within the class
    inter = mean of ‖μ_c − μ_c'‖ over pairs of classes,      ratio = inter / intra

These grow with the length of the features; the silhouette (Rousseeuw 1987), on normalised ones,
does not, and compares across encoders.

Legend: N cases, C classes, D width, R replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, Embeddings, Score
from vesalius.evaluation.alignment import align
from vesalius.evaluation.bootstrap import Interval, bootstrap_each

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NO_FINDING = "no finding"
PROTOCOL = "separability/v1"
NAMES = ("intra", "inter", "ratio", "silhouette")
TILE_BYTES = 16 << 20


def separability(
    embeddings: Embeddings,
    cases: CaseSet,
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Score]:
    """Return ``intra``, ``inter``, ``ratio`` and ``silhouette`` (protocol ``separability/v1``).

    The class of a case is its first positive label, or ``no finding`` where all its labels are
    known to be absent; a case with unknown labels and no positive one is left out, and so are
    classes of fewer than 2 cases (the notes say which).

    Patients are drawn for the intervals. Centroids of few cases are noisy, which makes the
    distances between them too long and those to them too short, and a bootstrap doubles that: the
    intervals of the three distances are *basic* ones (2·value − quantile), which undo it, and a
    value outside its own interval shows how much the noise adds. The silhouette's interval is a
    percentile one over cases, the places of the others held fixed.
    """
    embeddings, cases = align(embeddings, cases)
    class_N, class_names = first_positive(cases)
    counts_C = np.bincount(class_N[class_N >= 0], minlength=len(class_names))
    kept_C = np.flatnonzero(counts_C >= 2)
    rows_N = np.isin(class_N, kept_C)
    note = _note(class_names, counts_C, int((class_N < 0).sum()))
    clusters_N = (cases.case_ids if cases.patient_ids is None else cases.patient_ids)[rows_N]
    n, clusters = int(rows_N.sum()), len(np.unique(clusters_N))
    empty = Score("", nan, n=n, clusters=clusters, protocol=PROTOCOL, confidence=confidence)
    if len(kept_C) < 2:
        lack = "fewer than 2 classes of at least 2 cases"
        note = "; ".join(part for part in (lack, note) if part)
        return [replace(empty, name=name, note=note) for name in NAMES]
    own_N = np.searchsorted(kept_C, class_N[rows_N])
    rows = embeddings.select(rows_N)
    silhouette_N = silhouettes(rows.normalised().astype(np.float64), own_N)
    distances = _distances(rows.values_ND.astype(np.float64), own_N)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        mean_R = weights_RN @ silhouette_N / weights_RN.sum(1)
        return np.column_stack([distances(weights_RN), mean_R])

    values = measure(np.ones((1, n)))[0]
    intervals = bootstrap_each(
        measure,
        clusters_N,
        replicates=replicates,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )
    return [
        replace(
            empty,
            name=name,
            value=float(value),
            low=low,
            high=high,
            redrawn=interval.redrawn,
            note="; ".join(part for part in (interval.note, basic, note) if part),
        )
        for name, value, interval in zip(NAMES, values, intervals, strict=True)
        for low, high, basic in [_reflected(name, float(value), interval)]
    ]


def first_positive(cases: CaseSet) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class of each case (−1: not known) and the names of the classes."""
    positive_NC = np.column_stack([cases.labels_NC == 1, np.ones(len(cases), dtype=bool)])
    class_N = positive_NC.argmax(1)
    none_N = class_N == len(cases.label_names)
    class_N[none_N & np.isnan(cases.labels_NC).any(1)] = -1
    return class_N.astype(np.int64), (*cases.label_names, NO_FINDING)


def _distances(
    values_ND: Float[np.ndarray, "N D"], class_N: Int[np.ndarray, "N"]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the function from case weights to (intra, inter, ratio); NaN if a class is missing."""
    values_ND = values_ND - values_ND.mean(0)
    # Squared distances below this are rounding: copies of one case lie at distance 0.
    grain = 1e-13 * float((values_ND**2).sum(1).max())
    members = [np.flatnonzero(class_N == c) for c in range(int(class_N.max()) + 1)]
    classes = [np.ascontiguousarray(values_ND[rows]) for rows in members]
    pairs = np.triu_indices(len(members), 1)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        intra_R = np.zeros(len(weights_RN))
        centroids = []
        for rows, x_nD in zip(members, classes, strict=True):
            weights_Rn = weights_RN[:, rows]
            total_R1 = weights_Rn.sum(1, keepdims=True)
            share_Rn = np.divide(
                weights_Rn, total_R1, out=np.full(weights_Rn.shape, nan), where=total_R1 > 0
            )
            centroid_RD = share_Rn @ x_nD
            centroids.append(centroid_RD)
            square_Rn = (x_nD**2).sum(1) - 2 * centroid_RD @ x_nD.T
            square_Rn += (centroid_RD**2).sum(1, keepdims=True)
            square_Rn[square_Rn < grain] = 0.0
            intra_R += (share_Rn * np.sqrt(square_Rn)).sum(1)
        gram_RCC = np.matmul(*_batched(np.stack(centroids, axis=1)))
        norm_RC = np.einsum("rcc->rc", gram_RCC)
        square_RCC = norm_RC[:, :, None] + norm_RC[:, None, :] - 2 * gram_RCC
        square_RCC[square_RCC < grain] = 0.0
        inter_R = np.sqrt(square_RCC[:, *pairs]).mean(1)
        intra_R /= len(members)
        ratio_R = np.divide(inter_R, intra_R, out=np.full(len(intra_R), nan), where=intra_R > 0)
        return np.column_stack([intra_R, inter_R, ratio_R])

    return measure


def _batched(centroids_RCD: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return centroids_RCD, centroids_RCD.transpose(0, 2, 1)


def silhouettes(
    values_ND: Float[np.ndarray, "N D"], class_N: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """Return (b − a) / max(a, b) of each case, distances Euclidean, in tiles.

    a is the mean distance to the others of its class, b that to the nearest other class.
    """
    n = len(values_ND)
    one_hot_NC = np.eye(int(class_N.max()) + 1)[class_N]
    counts_C = one_hot_NC.sum(0)
    squares_N = (values_ND**2).sum(1)
    tile = max(1, TILE_BYTES // (8 * n))
    found_N = np.empty(n)
    for start in range(0, n, tile):
        rows_B = np.arange(start, min(start + tile, n))
        square_BN = squares_N[rows_B, None] + squares_N - 2 * values_ND[rows_B] @ values_ND.T
        distance_BN = np.sqrt(np.maximum(square_BN, 0))
        distance_BN[np.arange(len(rows_B)), rows_B] = 0
        sums_BC = distance_BN @ one_hot_NC
        own_B = class_N[rows_B]
        at = np.arange(len(rows_B)), own_B
        a_B = sums_BC[at] / (counts_C[own_B] - 1)
        means_BC = sums_BC / counts_C
        means_BC[at] = np.inf
        b_B = means_BC.min(1)
        widest_B = np.maximum(a_B, b_B)
        found_N[rows_B] = np.divide(
            b_B - a_B, widest_B, out=np.zeros(len(rows_B)), where=widest_B > 0
        )
    return found_N


def _reflected(name: str, value: float, interval: Interval) -> tuple[float, float, str]:
    """Return the basic interval of a distance; the silhouette's stays as it is."""
    if name == "silhouette" or np.isnan(interval.low):
        return interval.low, interval.high, ""
    low, high = max(2 * value - interval.high, 0.0), max(2 * value - interval.low, 0.0)
    outside = not low <= value <= high
    return low, high, "inflated by noisy centroids: see the interval" if outside else ""


def _note(names: tuple[str, ...], counts_C: Int[np.ndarray, "C"], unknown: int) -> str:
    small = [name for name, count in zip(names, counts_C, strict=True) if count == 1]
    parts = []
    if small:
        parts.append(f"without {', '.join(small)} (1 case each)")
    if unknown:
        parts.append(f"without {unknown} cases of unknown class")
    return "; ".join(parts)
