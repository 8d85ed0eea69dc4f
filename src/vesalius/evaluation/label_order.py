"""How well each case's labels are ordered: LRAP and coverage error, case by case.

Both are means over cases, so that weighting the cases is a matrix product.

Legend: N cases, C labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

BLOCK_CELLS = 1 << 22  # N × C × C comparisons held at once


def label_order(
    truths_NC: Float[np.ndarray, "N C"], scores_NC: Float[np.ndarray, "N C"]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return each case's ranking average precision and its coverage, as scikit-learn has them.

    The first: among the labels that score at least as high as a true one, the share that is true,
    averaged over the true ones; 1 where none or all are true. The second: how far down the list all
    true labels are found; 0 where none is true. Cases must be fully known. Source: Tsoumakas et
    al. 2010.

    >>> lrap_N, coverage_N = label_order(np.array([[1.0, 0, 0]]), np.array([[0.75, 0.5, 1]]))
    >>> lrap_N.tolist(), coverage_N.tolist()
    ([0.5], [2.0])
    """
    n, c = scores_NC.shape
    lrap_N, coverage_N = np.ones(n), np.zeros(n)
    rows = max(1, BLOCK_CELLS // max(c * c, 1))
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        scores_BC, true_BC = scores_NC[part], truths_NC[part] == 1
        above_BCC = scores_BC[:, None, :] >= scores_BC[:, :, None]
        rank_BC = above_BCC.sum(2)
        true_above_BC = (above_BCC & true_BC[:, None, :]).sum(2)
        count_B = true_BC.sum(1)
        share_B = np.where(true_BC, true_above_BC / np.maximum(rank_BC, 1), 0).sum(1)
        some_B = (count_B > 0) & (count_B < c)
        lrap_N[part] = np.where(some_B, share_B / np.maximum(count_B, 1), 1.0)
        coverage_N[part] = np.where(true_BC, rank_BC, 0).max(1, initial=0)
    return lrap_N, coverage_N
