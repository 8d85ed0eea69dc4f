"""Kernels between cases, as rows of their matrix: made when asked for, or kept where small.

Legend: N cases, D width, B rows that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float

Kernel = Callable[[slice], NDArray[np.float64]]  # rows of the kernel matrix, (B, N)

WHOLE_BYTES = 256 << 20  # a kernel matrix up to here is kept; a larger one is made tile by tile


def median_distance(values_ND: Float[np.ndarray, "N D"]) -> float:
    """Return the median Euclidean distance over all pairs of cases."""
    squares_NN = squared_distances(values_ND)
    return float(np.median(np.sqrt(squares_NN[np.triu_indices(len(squares_NN), 1)])))


def squared_distances(
    values_ND: Float[np.ndarray, "N D"], rows: slice = slice(None)
) -> Float[np.ndarray, "B N"]:
    """Return the squared distances from some cases to all; what is rounding beside 0 is 0."""
    norms_N = np.einsum("nd,nd->n", values_ND, values_ND)
    squares_BN = values_ND[rows] @ values_ND.T
    squares_BN *= -2
    squares_BN += norms_N[rows, None]
    squares_BN += norms_N
    squares_BN[squares_BN < 1e-13 * norms_N.max()] = 0.0
    return squares_BN


def kernel_of(values_ND: NDArray[np.float64], sigma: float) -> Kernel:
    """Return the kernel of some rows; without a sigma it is the linear one."""
    if np.isnan(sigma):
        return lambda rows: values_ND[rows] @ values_ND.T

    def rbf(rows: slice) -> NDArray[np.float64]:
        squares_BN = squared_distances(values_ND, rows)
        # HSIC does not see a constant: less 1, nothing is lost where the bandwidth is large.
        return np.asarray(np.expm1(squares_BN / (-2 * sigma**2)))

    return rbf


def kept(kernel: Kernel, n: int) -> Kernel:
    """Return the kernel as it is, or from its whole matrix where that is small."""
    if 8 * n * n > WHOLE_BYTES:
        return kernel
    whole_NN = kernel(slice(None))
    return lambda rows: whole_NN[rows]
