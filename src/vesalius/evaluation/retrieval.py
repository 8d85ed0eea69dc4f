"""Retrieval: does an image find its text, and a text its image?

Every query ranks the whole gallery by cosine; ties are broken at random in expectation (see
:mod:`~vesalius.evaluation.standing`), so that embeddings collapsed to one point score what chance
scores.

Legend: N pairs, D width, R replicates, K measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, Embeddings, Score
from vesalius.evaluation.bootstrap import bootstrap_each
from vesalius.evaluation.captions import caption_groups
from vesalius.evaluation.standing import all_tied, standings, weighted_median

if TYPE_CHECKING:
    from jaxtyping import Float, Int

RANKS = (1, 5, 10)
PROTOCOL = "retrieval/v1"

__all__ = ["caption_groups", "retrieval"]


def retrieval(
    image: Embeddings,
    text: Embeddings,
    *,
    groups_N: NDArray[Any] | Sequence[Any],
    clusters_N: NDArray[Any] | Sequence[Any] | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Score]:
    """Return recall at 1, 5 and 10 and the median rank, both ways (protocol ``retrieval/v1``).

    Args:
        image, text: embeddings of the same N cases; texts are put in the images' order.
        groups_N: the group of each row of ``image``; any item of a query's group counts as right
            (see :func:`caption_groups`).
        clusters_N: the patient of each row, drawn as a whole by the bootstrap.
        replicates, confidence, seed: of the percentile bootstrap over queries; the gallery stays.

    Scores named ``…_naive`` count only the query's very own partner as right; ``…_chance`` is what
    a random order would score, group by group. Raises DataError where the two do not pair up.
    """
    text = _paired(image, text)
    group_N = _column(groups_N, len(image), "groups_N")
    note = "" if clusters_N is not None else "patients unknown: queries drawn one by one"
    cluster_N = _column(np.arange(len(image)) if clusters_N is None else clusters_N,
                        len(image), "clusters_N")  # fmt: skip
    image_ND, text_ND = image.normalised(), text.normalised()
    names, columns = [], []
    for way, query_ND, gallery_ND in (
        ("image_to_text", image_ND, text_ND),
        ("text_to_image", text_ND, image_ND),
    ):
        aware, naive = standings(query_ND, gallery_ND, group_N)
        for ending, standing in (("", aware), ("_naive", naive), ("_chance", all_tied(group_N))):
            for k in RANKS:
                names.append(f"{way}_r@{k}{ending}")
                columns.append(standing.hit(k))
            names.append(f"{way}_median_rank{ending}")
            columns.append(standing.expected_rank())
    return _scores(names, np.stack(columns, axis=1), cluster_N, note, replicates, confidence, seed)


def _paired(image: Embeddings, text: Embeddings) -> Embeddings:
    if len(image) != len(text) or len(image) == 0:
        raise DataError(
            f"retrieval needs pairs; there are {len(image)} images and {len(text)} texts"
        )
    if image.width != text.width:
        raise DataError(f"images have width {image.width} but texts {text.width}")
    for embeddings in (image, text):
        if not np.isfinite(embeddings.values_ND).all():
            raise DataError(f"retrieval: some {embeddings.modality} embeddings are not finite")
    return text.of_cases(image.case_ids)


def _column(values_N: Any, n: int, name: str) -> NDArray[np.int64]:
    column_N = np.asarray(values_N)
    if column_N.shape != (n,):
        raise DataError(f"retrieval: {name} has shape {column_N.shape}, not {(n,)}")
    return np.unique(column_N, return_inverse=True)[1]


def _scores(
    names: list[str],
    values_NK: Float[np.ndarray, "N K"],
    cluster_N: Int[np.ndarray, "N"],
    note: str,
    replicates: int,
    confidence: float,
    seed: int,
) -> list[Score]:
    """Return one score a measure: means of hits, medians of ranks; chance needs no interval."""
    is_rank_K = np.array(["median_rank" in name for name in names])
    drawn_K = np.array([not name.endswith("_chance") for name in names])
    hits_NK, ranks_NK = values_NK[:, drawn_K & ~is_rank_K], values_NK[:, drawn_K & is_rank_K]
    orders = [np.argsort(rank_N, kind="stable") for rank_N in ranks_NK.T]

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        means_RK = weights_RN @ hits_NK / weights_RN.sum(1, keepdims=True)
        medians = [
            weighted_median(rank_N[order_N], weights_RN[:, order_N])
            for rank_N, order_N in zip(ranks_NK.T, orders, strict=True)
        ]
        return np.column_stack([means_RK, *medians])

    intervals = bootstrap_each(
        measure,
        cluster_N,
        replicates=replicates,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )
    place = [*np.flatnonzero(drawn_K & ~is_rank_K), *np.flatnonzero(drawn_K & is_rank_K)]
    found = dict(zip((int(k) for k in place), intervals, strict=True))
    scores = []
    for k, name in enumerate(names):
        value = float(np.median(values_NK[:, k]) if is_rank_K[k] else values_NK[:, k].mean())
        settings: dict[str, Any] = {"n": len(values_NK), "protocol": PROTOCOL}
        settings["confidence"] = confidence
        if k in found:
            interval = found[k]
            settings |= {"low": interval.low, "high": interval.high, "clusters": interval.clusters}
            settings |= {"redrawn": interval.redrawn}
            settings["note"] = "; ".join(part for part in (interval.note, note) if part)
        else:
            settings["note"] = "exact: the mean over all orders of the gallery"
        scores.append(Score(name, value, **settings))
    return scores
