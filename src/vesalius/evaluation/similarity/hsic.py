"""HSIC of weighted cases, for many weightings at once; kernels are asked for tile by tile.

With K̃ and L̃ the kernel matrices without their diagonals, u = K̃w, v = L̃w and M = K̃∘L̃, sums over
*distinct* cases are

    A = Σ w_i w_j M_ij                              over D2 pairs (i, j)
    C = Σ w_i (u_i v_i − Σ_j w_j² M_ij)             over D3 triples (i, j, l), K_ij L_il
    B = (wᵀK̃w)(wᵀL̃w) − 4 Σ w_i² u_i v_i + 2 Σ w_i² w_j² M_ij
                                                    over D4 quadruples, K_ij L_kl

and HSIC_1 = A/D2 − 2C/D3 + B/D4, where D_k is the weight of all distinct k-tuples. With w = 1 this
is Song et al. 2012, eq. 5; a case that a bootstrap drew twice is never paired with itself.

Legend: R weightings, N cases, B cases of a tile; k and l are the two kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.evaluation.similarity.kernels import Kernel

if TYPE_CHECKING:
    from jaxtyping import Float

Triple = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

TILE_BYTES = 16 << 20


def hsic_unbiased(weights_RN: Float[np.ndarray, "R N"], k: Kernel, l: Kernel) -> Triple:  # noqa: E741
    """Return HSIC_1 of (k, l), (k, k) and (l, l); NaN with fewer than 4 distinct cases."""
    sums, k_R, l_R = _sums(weights_RN, k, l, diagonal=False)
    s1_R, s2_R, s3_R, s4_R = (np.sum(weights_RN**power, axis=1) for power in (1, 2, 3, 4))
    d2_R = s1_R**2 - s2_R
    d3_R = s1_R**3 - 3 * s1_R * s2_R + 2 * s3_R
    d4_R = s1_R**4 - 6 * s1_R**2 * s2_R + 3 * s2_R**2 + 8 * s1_R * s3_R - 6 * s4_R
    few_R = np.count_nonzero(weights_RN, axis=1) < 4
    d2_R, d3_R, d4_R = (np.where(few_R, np.nan, d_R) for d_R in (d2_R, d3_R, d4_R))

    def finish(pair_5R: NDArray[np.float64], product_R: NDArray[np.float64]) -> NDArray[np.float64]:
        m_R, uv_R, m2_R, uv2_R, m4_R = pair_5R
        b_R = product_R - 4 * uv2_R + 2 * m4_R
        return np.asarray(m_R / d2_R - 2 * (uv_R - m2_R) / d3_R + b_R / d4_R)

    return finish(sums[0], k_R * l_R), finish(sums[1], k_R**2), finish(sums[2], l_R**2)


def hsic_biased(weights_RN: Float[np.ndarray, "R N"], k: Kernel, l: Kernel) -> Triple:  # noqa: E741
    """Return HSIC_b, the V-statistic (Gretton et al. 2005), of (k, l), (k, k) and (l, l)."""
    weights_RN = weights_RN / weights_RN.sum(1, keepdims=True)
    sums, k_R, l_R = _sums(weights_RN, k, l, diagonal=True)
    products = (k_R * l_R, k_R**2, l_R**2)
    first, second, third = (
        pair_5R[0] - 2 * pair_5R[1] + product_R
        for pair_5R, product_R in zip(sums, products, strict=True)
    )
    return first, second, third


def _sums(
    weights_RN: NDArray[np.float64],
    k: Kernel,
    l: Kernel,  # noqa: E741
    *,
    diagonal: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Σ wMw, Σ wuv, Σ w²Mw, Σ w²uv, Σ w²Mw² of the three pairs (3, 5, R); wKw; wLw."""
    r, n = weights_RN.shape
    squares_RN = weights_RN**2
    sums_35R, totals_2R = np.zeros((3, 5, r)), np.zeros((2, r))
    rows = max(1, TILE_BYTES // (8 * n))
    for start in range(0, n, rows):
        tile = slice(start, min(start + rows, n))
        k_BN, l_BN = k(tile), l(tile)
        if not diagonal:
            at = np.arange(tile.stop - start), np.arange(start, tile.stop)
            k_BN, l_BN = k_BN.copy(), l_BN.copy()
            k_BN[at], l_BN[at] = 0.0, 0.0
        w_RB, w2_RB = weights_RN[:, tile], squares_RN[:, tile]
        u_RB, v_RB = weights_RN @ k_BN.T, weights_RN @ l_BN.T
        totals_2R += np.stack([_dot(w_RB, u_RB), _dot(w_RB, v_RB)])
        pairs = ((k_BN, l_BN, u_RB * v_RB), (k_BN, k_BN, u_RB**2), (l_BN, l_BN, v_RB**2))
        for sums_5R, (a_BN, b_BN, uv_RB) in zip(sums_35R, pairs, strict=True):
            m_BN = a_BN * b_BN
            m_RB = weights_RN @ m_BN.T
            sums_5R[0] += _dot(w_RB, m_RB)
            sums_5R[1] += _dot(w_RB, uv_RB)
            if not diagonal:
                sums_5R[2] += _dot(w2_RB, m_RB)
                sums_5R[3] += _dot(w2_RB, uv_RB)
                sums_5R[4] += _dot(w2_RB, squares_RN @ m_BN.T)
    return sums_35R, totals_2R[0], totals_2R[1]


def _dot(a_RB: NDArray[np.float64], b_RB: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("rb,rb->r", a_RB, b_RB))
