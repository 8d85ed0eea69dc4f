"""Orthogonal Procrustes: what is left when one representation is turned onto the other.

With X and Y centred and of unit Frobenius norm,

    m² = 1 − (Σ singular values of XᵀY)²

0 where they differ by rotation, reflection and scale alone. Source: Gower 1975; scipy calls it
``disparity``.

Legend: N cases, D and E widths, R replicates, P permutations.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.evaluation.similarity.inference import Resampling, infer, unassessed
from vesalius.evaluation.similarity.pairing import centred, paired_rows, without_spread

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from vesalius.evaluation.bootstrap import WeightedMeasure
    from vesalius.evaluation.similarity.result import Similarity


def procrustes(
    x_ND: ArrayLike,
    y_NE: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    permutations: int = 200,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> Similarity:
    """Return the orthogonal Procrustes residual m²: 0 the same, 1 nothing in common.

    *Smaller is more alike.* The best rotation is found on these very cases, which flatters: with
    widths near N even unrelated representations have a small residual, so read it beside its null.
    The interval holds that rotation fixed (cases drawn twice would flatter it once more) and tells
    how far m² would move with other patients, not how much the fitting flatters. Each permutation
    needs the singular values of a D × E matrix: by default there are 200, and p is 1/201 at least.
    The other settings are those of :func:`cka`.

    Raises:
        DataError: tables that cannot be paired, fewer than 3 cases.

    >>> x_ND = np.random.default_rng(0).normal(size=(40, 3))
    >>> print(procrustes(x_ND, 2 * x_ND[:, ::-1] + 1, permutations=99))
    procrustes 0.000 [0.000, 0.000] (n=40), p=0.01 (the floor of 99 permutations)
    """
    x_ND, y_NE = (centred(v) for v in paired_rows(x_ND, y_NE, of="procrustes", least=3))
    n = len(x_ND)
    lack = without_spread(x=x_ND, y=y_NE)
    if lack:
        x_ND, y_NE, value = np.zeros((n, 1)), np.zeros((n, 1)), nan
    else:
        x_ND, y_NE = _unit(x_ND), _unit(y_NE)
        value = _residual(float(np.linalg.svd(x_ND.T @ y_NE, compute_uv=False).sum()))

    def null(order_PN: Int[np.ndarray, "P N"]) -> Float[np.ndarray, "P"]:
        return np.array([_residual(_nuclear(x_ND.T @ y_NE[order_N])) for order_N in order_PN])

    return infer(
        unassessed("procrustes", value, n, lack),
        weighted=_turned(x_ND, y_NE),
        null=null,
        resampling=Resampling(groups, replicates, permutations, confidence, rng),
        smaller_is_alike=True,
    )


def _unit(values_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit Frobenius norm; more features than cases are turned into as many as cases."""
    values_ND = values_ND / np.linalg.norm(values_ND)
    if values_ND.shape[1] <= len(values_ND):
        return values_ND
    left_NN, spread_N, _ = np.linalg.svd(values_ND, full_matrices=False)
    return np.asarray(left_NN * spread_N)


def _nuclear(product_DE: NDArray[np.float64]) -> float:
    """Return the sum of singular values, from the eigenvalues of the smaller Gram: 3× faster."""
    if product_DE.shape[0] < product_DE.shape[1]:
        product_DE = product_DE.T
    squares_E = np.linalg.eigvalsh(product_DE.T @ product_DE)
    return float(np.sqrt(np.maximum(squares_E, 0.0)).sum())


def _residual(nuclear: float) -> float:
    return max(0.0, 1.0 - nuclear**2)


def _turned(x_ND: NDArray[np.float64], y_NE: NDArray[np.float64]) -> WeightedMeasure:
    """Return m² of weighted cases, centred and scaled anew, under the rotation of all cases."""
    left_DK, _, right_KE = np.linalg.svd(x_ND.T @ y_NE, full_matrices=False)
    turned_NE = x_ND @ (left_DK @ right_KE)
    norms_N2 = np.stack([(v**2).sum(1) for v in (x_ND, y_NE)], axis=1)
    meet_N = (turned_NE * y_NE).sum(1)

    def measure(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        share_RN = weights_RN / weights_RN.sum(1, keepdims=True)
        mean_x_RD, mean_turned_RE, mean_y_RE = (share_RN @ v for v in (x_ND, turned_NE, y_NE))
        spread_R2 = share_RN @ norms_N2
        spread_R2[:, 0] -= (mean_x_RD**2).sum(1)
        spread_R2[:, 1] -= (mean_y_RE**2).sum(1)
        together_R = share_RN @ meet_N - (mean_turned_RE * mean_y_RE).sum(1)
        below_R = np.where((spread_R2 > 0).all(1), spread_R2.prod(1), nan)
        return np.clip(1 - np.maximum(together_R, 0) ** 2 / below_R, 0, 1)

    return measure
