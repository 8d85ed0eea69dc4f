"""Retrieval: does an image find its text, and a text its image?

Every query ranks the whole gallery by cosine. With a = items above the best right one, t = wrong
items tied with it and r = right items tied with it, ties being broken at random,

    expected rank = 1 + a + t / (r + 1)
    P(hit in k)   = 1 − C(t, k−a) / C(t+r, k−a)

so that embeddings collapsed to one point score exactly what chance scores, never 100 %.

Legend: N pairs, B queries in a tile, D width, R replicates, K measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, Score, unknown
from vesalius.evaluation.bootstrap import bootstrap_each

if TYPE_CHECKING:
    from jaxtyping import Float, Int

RANKS = (1, 5, 10)
TIED = 1e-6  # cosines closer than this are equal: single precision tells no more
TILE_BYTES = 16 << 20
PROTOCOL = "retrieval/v1"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the best right item of each query stands: items above it, wrong and right ties."""

    above_N: Int[np.ndarray, "N"]
    wrong_N: Int[np.ndarray, "N"]
    right_N: Int[np.ndarray, "N"]

    def expected_rank(self) -> Float[np.ndarray, "N"]:
        return 1 + self.above_N + self.wrong_N / (self.right_N + 1)

    def hit(self, k: int) -> Float[np.ndarray, "N"]:
        """Return the probability that a right item is among the first k."""
        from scipy.special import gammaln

        places_N = k - self.above_N
        t, r = self.wrong_N, self.right_N
        m = np.clip(places_N, 0, t)
        # C(t, m) / C(t+r, m), the chance that all m places go to wrong items
        missed_N = np.exp(
            gammaln(t + 1) - gammaln(t - m + 1) - gammaln(t + r + 1) + gammaln(t + r - m + 1)
        )
        return np.where(places_N <= 0, 0.0, np.where(places_N > t, 1.0, 1 - missed_N))


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
        for ending, standing in (("", aware), ("_naive", naive), ("_chance", _chance(group_N))):
            for k in RANKS:
                names.append(f"{way}_r@{k}{ending}")
                columns.append(standing.hit(k))
            names.append(f"{way}_median_rank{ending}")
            columns.append(standing.expected_rank())
    return _scores(names, np.stack(columns, axis=1), cluster_N, note, replicates, confidence, seed)


def standings(
    query_ND: Float[np.ndarray, "N D"],
    gallery_ND: Float[np.ndarray, "N D"],
    group_N: Int[np.ndarray, "N"],
) -> tuple[Standing, Standing]:
    """Return where each query's best right item stands, by group and by its own partner alone.

    Rows are unit vectors; similarities are made in tiles and never kept.
    """
    n = len(query_ND)
    tile = max(1, TILE_BYTES // (query_ND.itemsize * n))
    counts = np.empty((2, 3, n), dtype=np.int64)
    for start in range(0, n, tile):
        rows_B = np.arange(start, min(start + tile, n))
        cosines_BN = query_ND[rows_B] @ gallery_ND.T
        right_BN = group_N[rows_B, None] == group_N
        best_B = np.where(right_BN, cosines_BN, -np.inf).max(1)
        counts[0][:, rows_B] = _count(cosines_BN, best_B, right_BN)
        own_B = cosines_BN[np.arange(len(rows_B)), rows_B]
        above_B, tied_B, _ = _count(cosines_BN, own_B, None)
        counts[1][:, rows_B] = above_B, tied_B - 1, np.ones_like(tied_B)
    return Standing(*counts[0]), Standing(*counts[1])


def caption_groups(cases: CaseSet, *, by: str | None = None) -> NDArray[np.int64]:
    """Return the group of each case: cases with the same text share one, numbered from 0.

    Texts are compared without regard to case, white space and a final full stop; a case without
    text is a group of its own. With ``by``, the name of an attribute (``study_id``), cases that
    share its value are joined as well.

    Raises ChoiceError for an attribute that is not there.
    """
    texts = [None] * len(cases) if cases.texts is None else cases.texts
    keys: list[Any] = [
        ("text", words) if (words := _words(text)) else ("case", i) for i, text in enumerate(texts)
    ]
    if by is None:
        return _numbered(keys)
    if by not in cases.attributes:
        raise unknown("attribute", by, cases.attributes)
    return _joined(_numbered(keys), _numbered(cases.attributes[by].tolist()))


def _words(text: object) -> str:
    return " ".join(text.casefold().split()).rstrip(".") if isinstance(text, str) else ""


def _numbered(keys: Sequence[Any]) -> NDArray[np.int64]:
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _joined(first_N: NDArray[np.int64], second_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups that hold together by either of two groupings."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if first_N.size == 0:
        return first_N
    offset = int(first_N.max()) + 1
    size = offset + int(second_N.max()) + 1
    edges = coo_array((np.ones(len(first_N)), (first_N, second_N + offset)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return _numbered(component[first_N].tolist())


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


def _count(
    cosines_BN: NDArray[Any], level_B: NDArray[Any], right_BN: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return how many items are above the level, and the wrong and right ones that tie with it."""
    above_BN = cosines_BN > (level_B + TIED)[:, None]
    tied_BN = ~above_BN & (cosines_BN >= (level_B - TIED)[:, None])
    right_B = np.zeros(len(level_B), np.int64) if right_BN is None else (tied_BN & right_BN).sum(1)
    return above_BN.sum(1), tied_BN.sum(1) - right_B, right_B


def _chance(group_N: Int[np.ndarray, "N"]) -> Standing:
    """Return where the items of each group stand when all tie."""
    right_N = np.bincount(group_N)[group_N]
    return Standing(np.zeros_like(right_N), len(group_N) - right_N, right_N)


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


def weighted_median(
    sorted_N: Float[np.ndarray, "N"], weights_RN: Float[np.ndarray, "R N"]
) -> Float[np.ndarray, "R"]:
    """Return the median of values that are repeated by their weights (whole numbers).

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]))
    array([2. , 5.5])
    """
    reached_RN = weights_RN.cumsum(1)
    half_R1 = reached_RN[:, -1:] / 2
    lower_R = (reached_RN >= half_R1).argmax(1)
    upper_R = (reached_RN > half_R1).argmax(1)
    return (sorted_N[lower_R] + sorted_N[upper_R]) / 2
