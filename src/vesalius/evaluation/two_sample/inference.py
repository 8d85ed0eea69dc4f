"""From the statistics of all relabellings to a p-value; and from its sums to an interval.

Legend: n cases of x, m of y, N pooled (x first), P relabellings (column 0 is what was observed),
K bandwidths, G units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.evaluation.two_sample.estimators import Statistic
from vesalius.evaluation.two_sample.sums import Sums

if TYPE_CHECKING:
    from jaxtyping import Float, Int

TINY = float(np.finfo(np.float64).tiny)


def evidence(found: Statistic) -> tuple[int, int, float]:
    """Return the bandwidth that tells most, how often the null reaches it, and the p-value.

    Of several bandwidths each relabelling, the observed one among them, is judged by the best of
    its ranks; the p-value is the rank of the observed one's best. Relabellings are exchangeable
    under the null, so it holds its level exactly. (Schrab et al. 2023 correct the level with a
    second set of relabellings; one set does both here.) Ranks are integers: nothing is rounded. Of
    one bandwidth, p counts the relabellings that reach the observed statistic, ties included.
    """
    lowered_KP = found.mmd2_KP.copy()
    lowered_KP[:, 0] -= found.rounding_K  # what ties with the observed one but for rounding
    at_least_KP = np.stack([
        len(own_P) - np.searchsorted(np.sort(own_P), lowered_P, side="left")
        for own_P, lowered_P in zip(found.mmd2_KP, lowered_KP, strict=True)
    ])  # fmt: skip
    # of several that are reached as rarely, the one that stands out most from its null
    stands_out_K = (found.mmd2_KP[:, 0] - found.mmd2_KP.mean(1)) / (found.mmd2_KP.std(1) + TINY)
    best = int(np.lexsort((-stands_out_K, at_least_KP[:, 0]))[0])
    least_P = at_least_KP.min(0)
    exceeding = int((least_P[1:] <= least_P[0]).sum())
    return best, exceeding, (1 + exceeding) / len(least_P)


def witness(sums: Sums, k: int, n: int) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "m"]]:
    """Return mean k(x, ·) − mean k(y, ·) at each case, the case itself left out of its side."""
    to_x_N, to_all_N = sums.observed_KN[k], sums.rows_KN[k]
    to_y_N = to_all_N - to_x_N
    m = len(to_all_N) - n
    at_x = to_x_N[:n] / (n - 1) - to_y_N[:n] / m
    at_y = to_x_N[n:] / n - to_y_N[n:] / (m - 1)
    return at_x, at_y


def half_width(
    witness_x: Float[np.ndarray, "n"],
    witness_y: Float[np.ndarray, "m"],
    unit_N: Int[np.ndarray, "N"],
    *,
    confidence: float = 0.95,
) -> tuple[float, int]:
    """Return half the width of MMD²'s interval, and how many units it rests on.

    Where the samples differ MMD² is normal, and a case moves it by twice its witness over n
    (Hoeffding's first projection); what the cases of a unit do is added up first.
    """
    from scipy.special import ndtri

    n, m = len(witness_x), len(witness_y)
    unit_N = np.unique(unit_N, return_inverse=True)[1]
    pull_N = np.concatenate([
        2 * (witness_x - witness_x.mean()) / n, -2 * (witness_y - witness_y.mean()) / m
    ])  # fmt: skip
    pull_G = np.bincount(unit_N, pull_N)
    units = len(pull_G)
    variance = float((pull_G**2).sum()) * units / (units - 1)
    return float(ndtri((1 + confidence) / 2)) * variance**0.5, units
