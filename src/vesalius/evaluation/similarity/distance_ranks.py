"""Representational similarity: do two representations rank the pairs of cases alike by distance?

The Spearman correlation of the two upper triangles of distances (Kriegeskorte et al. 2008).
Distances are Euclidean: they do not depend on where the origin lies, and on vectors of unit length
they rank pairs as the cosine does.

Legend: N cases, D and E widths, M pairs of cases, V distinct distances, R replicates.
"""

from __future__ import annotations

from functools import partial
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.evaluation.similarity.inference import (
    Null,
    Resampling,
    infer,
    shuffled_products,
    unassessed,
    undefined,
)
from vesalius.evaluation.similarity.kernels import squared_distances
from vesalius.evaluation.similarity.pairing import centred, paired_rows, without_spread

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from vesalius.evaluation.similarity.result import Similarity

DECIMALS = 12  # of squared distances over the largest; nearer ones are equal


def rsa(
    x_ND: ArrayLike,
    y_NE: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    permutations: int = 1000,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> Similarity:
    """Return the rank correlation of the distances between cases: 1 the same order, 0 unrelated.

    The permutation test is Mantel's (1967). A replicate weighs every pair of distinct cases by its
    influence on the correlation (its first-order effect through both rankings), which spares
    ranking N²/2 distances anew. The other settings are those of :func:`cka`.

    Raises:
        DataError: tables that cannot be paired, fewer than 4 cases.

    >>> x_ND = np.random.default_rng(0).normal(size=(40, 3))
    >>> print(rsa(x_ND, 2 * x_ND[:, ::-1] + 1, permutations=99))
    rsa_euclidean_spearman 1.000 [1.000, 1.000] (n=40), p=0.01 (the floor of 99 permutations)
    """
    x_ND, y_NE = (centred(v) for v in paired_rows(x_ND, y_NE, of="rsa", least=4))
    n = len(x_ND)
    value, influence_NN = nan, np.zeros((n, n))
    null: Null = undefined
    lack = without_spread(x=x_ND, y=y_NE)
    if not lack:
        value, influence_M, x_M, y_M = rank_correlation(_distances(x_ND), _distances(y_NE))
        influence_NN = _square(influence_M, n)
        null = partial(shuffled_products, _square(x_M, n) / 2, _square(y_M, n))
        lack = "undefined: every two cases are equally far apart" if np.isnan(value) else ""

    def weighted(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        sums_R = np.einsum("rn,rn->r", weights_RN @ influence_NN, weights_RN)
        pairs_R = weights_RN.sum(1) ** 2 - (weights_RN**2).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip(np.where(pairs_R > 0, sums_R / pairs_R, nan), -1, 1)

    return infer(
        unassessed("rsa_euclidean_spearman", value, n, lack),
        weighted=weighted,
        null=null,
        resampling=Resampling(groups, replicates, permutations, confidence, rng),
    )


def rank_correlation(
    x_M: Float[np.ndarray, "M"], y_M: Float[np.ndarray, "M"]
) -> tuple[float, Float[np.ndarray, "M"], Float[np.ndarray, "M"], Float[np.ndarray, "M"]]:
    """Return Spearman's ρ, each pair's influence on it, and both centred unit rank vectors.

    With f and g the centred ranks (as shares of M), a pair moves mean(f·g) by its own product and
    by moving the rank of every pair above it; likewise mean(f²) and mean(g²), which stay where no
    distances are equal. Influences have mean ρ. (Hampel 1974 for influence functions.)
    """
    m = len(x_M)
    place_x, place_y = (np.unique(v, return_inverse=True)[1] for v in (x_M, y_M))
    f_M, g_M = (0.5 - _above(place_M, np.ones(m)) for place_M in (place_x, place_y))
    var_f, var_g = float(f_M @ f_M) / m, float(g_M @ g_M) / m
    if min(var_f, var_g) <= 0:
        return nan, f_M, f_M, g_M
    scale = np.sqrt(var_f * var_g)
    rho = float(f_M @ g_M) / m / scale
    a_M = f_M * g_M
    a_M += _above(place_x, g_M)
    a_M += _above(place_y, f_M)
    a_M /= scale
    a_M -= rho / 2 * (f_M**2 + 2 * _above(place_x, f_M)) / var_f
    a_M -= rho / 2 * (g_M**2 + 2 * _above(place_y, g_M)) / var_g
    a_M += rho - a_M.mean()
    f_M /= np.sqrt(m * var_f)
    g_M /= np.sqrt(m * var_g)
    return rho, a_M, f_M, g_M


def _above(place_M: Int[np.ndarray, "M"], values_M: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each pair Σ values of the pairs ranked above it / M; equals count half."""
    sums_V = np.bincount(place_M, weights=values_M)
    above_V = sums_V.sum() - np.cumsum(sums_V) + sums_V / 2
    return np.asarray((above_V / len(place_M))[place_M])


def _distances(values_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper triangle of squared distances, which have the ranks of the distances."""
    squares_M = squared_distances(values_ND)[np.triu_indices(len(values_ND), 1)]
    return np.asarray(np.round(squares_M / squares_M.max(), DECIMALS))


def _square(values_M: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the symmetric matrix with this upper triangle and a diagonal of 0."""
    found_NN = np.zeros((n, n))
    found_NN[np.triu_indices(n, 1)] = values_M
    found_NN += found_NN.T
    return found_NN
