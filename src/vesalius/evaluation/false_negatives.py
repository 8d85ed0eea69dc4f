"""False negatives of a contrastive batch: pairs that are pushed apart and say the same.

Legend: N cases, F findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError
from vesalius.core.score import Score

if TYPE_CHECKING:
    from jaxtyping import Float


def false_negative_rate(
    findings_NF: Float[np.ndarray, "N F"], *, confidence: float = 0.95
) -> Score:
    """Return the share of the pairs i ≠ j whose findings are the same, with its interval.

    These are negatives to InfoNCE, and the problem that MedCLIP set out to solve (Wang et al.
    2022, section 1). Two cases are the same when the same findings are present (1), and at least
    one of their findings is known; unknown ones (NaN) count as not present. The rate of a batch
    does not depend on its size. The interval is that of a U-statistic (Hoeffding 1948).

    Raises:
        DataError: fewer than three cases have known findings.

    >>> print(false_negative_rate(np.array([[1.0]] * 30 + [[0.0]] * 10)))
    false_negative_rate 0.615 [0.476, 0.755] (n=40)
    """
    from scipy.special import ndtri

    known_N = (~np.isnan(findings_NF)).any(1)
    present_NF = findings_NF[known_N] == 1
    n = len(present_NF)
    if n < 3:
        raise DataError(f"false_negative_rate: {n} cases have known findings; 3 or more are needed")
    _, group_N, size_G = np.unique(present_NF, axis=0, return_inverse=True, return_counts=True)
    alike_N = (size_G[group_N.ravel()] - 1) / (n - 1)
    half = ndtri((1 + confidence) / 2) * 2 * alike_N.std(ddof=1) / np.sqrt(n)
    rate = float(alike_N.mean())
    return Score(
        "false_negative_rate",
        rate,
        max(rate - half, 0.0),
        min(rate + half, 1.0),
        n=n,
        protocol="false_negative_rate/v1",
        confidence=confidence,
    )
