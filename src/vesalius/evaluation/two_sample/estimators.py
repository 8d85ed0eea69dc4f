"""MMD² of every relabelling, from sums over pairs.

With n of x and m of y, Kₓₓ the sum of the kernel over pairs i ≠ j of x, Kₓᵧ over all pairs across
(Gretton et al. 2012, eq. 3, 4 and 5):

    unbiased    Kₓₓ / n(n−1) + Kᵧᵧ / m(m−1) − 2 Kₓᵧ / nm
    u           the same with n = m, and Kₓᵧ without its diagonal i = i
    biased      (Kₓₓ + Σ k(xᵢ, xᵢ)) / n² + (Kᵧᵧ + …) / m² − 2 Kₓᵧ / nm

Legend: N cases pooled, P relabellings, K bandwidths, n pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.evaluation.two_sample.sums import Sums

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

ESTIMATORS = ("unbiased", "u", "biased")
CASES = 4096  # that are turned into floats at a time


@dataclass(frozen=True, slots=True)
class Statistic:
    """MMD² of every relabelling, and how far rounding may have moved two equal ones apart."""

    mmd2_KP: Float[np.ndarray, "K P"]
    rounding_K: Float[np.ndarray, "K"]


def statistic(
    sums: Sums,
    labels_NP: UInt8[np.ndarray, "N P"],
    *,
    estimator: str,
    centres_K: Float[np.ndarray, "K"],
    self_N: Float[np.ndarray, "N"],
    opposite_KP: Float[np.ndarray, "K P"] | None = None,
    rounding_K: Float[np.ndarray, "K"],
) -> Statistic:
    """Return MMD² of each bandwidth and relabelling.

    ``self_N`` are the k(z, z), read by ``biased``; ``opposite_KP`` the sums of k(xᵢ, yᵢ), less
    the centre, read by ``u``. ``rounding_K`` says within what two statistics count as equal.
    """
    weighted_KP, self_P, n_P = _of_x(np.vstack([sums.rows_KN, self_N]), labels_NP)
    m_P = len(labels_NP) - n_P
    xx_KP = sums.within_KP
    xy_KP = weighted_KP - xx_KP
    yy_KP = sums.rows_KN.sum(1, keepdims=True) - weighted_KP - xy_KP
    if estimator == "biased":
        centre_K1 = centres_K[:, None]
        xx_KP = (xx_KP + self_P + centre_K1 * n_P * (n_P - 1)) / n_P**2
        yy_KP = (yy_KP + self_N.sum() - self_P + centre_K1 * m_P * (m_P - 1)) / m_P**2
        xy_KP = xy_KP / (n_P * m_P) + centre_K1
    else:
        xx_KP, yy_KP = xx_KP / (n_P * (n_P - 1)), yy_KP / (m_P * (m_P - 1))
        if opposite_KP is None:
            xy_KP = xy_KP / (n_P * m_P)
        else:
            xy_KP = (xy_KP - opposite_KP) / (n_P * (n_P - 1))
    return Statistic(xx_KP + yy_KP - 2 * xy_KP, rounding_K)


def _of_x(
    values_VN: Float[np.ndarray, "V N"], labels_NP: UInt8[np.ndarray, "N P"]
) -> tuple[Float[np.ndarray, "K P"], Float[np.ndarray, "P"], Float[np.ndarray, "P"]]:
    """Return the sums over x of each relabelling: of the rows, of the last row, and the count."""
    values_VN = np.vstack([values_VN, np.ones(values_VN.shape[1])])
    sums_VP = np.zeros((len(values_VN), labels_NP.shape[1]))
    for start in range(0, len(labels_NP), CASES):
        some = slice(start, start + CASES)
        sums_VP += values_VN[:, some] @ labels_NP[some].astype(np.float64)
    return sums_VP[:-2], sums_VP[-2], sums_VP[-1]
