"""Where the right item of a query stands among the whole gallery, ties told apart.

With a = items above the best right one, t = wrong items tied with it and r = right items tied with
it, over all orders of the ties

    expected rank = 1 + a + t / (r + 1)
    P(hit in k)   = 1 − C(t, k−a) / C(t+r, k−a)

Legend: N queries and items, B queries in a tile, D width, R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int

TIED = 1e-6  # cosines closer than this are equal: single precision tells no more
TILE_BYTES = 16 << 20


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


def all_tied(group_N: Int[np.ndarray, "N"]) -> Standing:
    """Return where the items of each group stand when all tie."""
    right_N = np.bincount(group_N)[group_N]
    return Standing(np.zeros_like(right_N), len(group_N) - right_N, right_N)


def _count(
    cosines_BN: NDArray[Any], level_B: NDArray[Any], right_BN: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return how many items are above the level, and the wrong and right ones that tie with it."""
    above_BN = cosines_BN > (level_B + TIED)[:, None]
    tied_BN = ~above_BN & (cosines_BN >= (level_B - TIED)[:, None])
    right_B = np.zeros(len(level_B), np.int64) if right_BN is None else (tied_BN & right_BN).sum(1)
    return above_BN.sum(1), tied_BN.sum(1) - right_B, right_B


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
