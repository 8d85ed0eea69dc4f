"""Centred kernel alignment: do two representations hold the same pairs of cases to be alike?

    CKA = HSIC(K, L) / √(HSIC(K, K) · HSIC(L, L))

HSIC_1 (Song et al. 2012) is free of the bias that makes the plain form grow with width / cases:
two unrelated representations of 100 cases and 1,000 features have a plain CKA near 0.9 and a
debiased one near 0. Source: Kornblith et al. 2019; Nguyen et al. 2021, eq. 3, for the debiased.

Legend: N cases, D and E widths, R replicates, P permutations.
"""

from __future__ import annotations

from functools import partial
from math import nan, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.evaluation.similarity.hsic import hsic_biased, hsic_unbiased
from vesalius.evaluation.similarity.inference import (
    Null,
    Resampling,
    infer,
    shuffled_products,
    unassessed,
    undefined,
)
from vesalius.evaluation.similarity.kernels import (
    WHOLE_BYTES,
    Kernel,
    kept,
    kernel_of,
    median_distance,
)
from vesalius.evaluation.similarity.pairing import centred, paired_rows, without_spread

if TYPE_CHECKING:
    from jaxtyping import Float

    from vesalius.evaluation.similarity.result import Similarity

KERNELS = ("linear", "rbf")
GATHER = 64  # shuffling one entry of a matrix costs as much as this many multiply-adds
LEAST = 1e-13  # an HSIC of one side with itself below this share of its kernel² is rounding


def cka(
    x_ND: ArrayLike,
    y_NE: ArrayLike,
    *,
    kernel: Literal["linear", "rbf"] = "linear",
    bandwidth: float = 1.0,
    debiased: bool = True,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    permutations: int = 1000,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> Similarity:
    """Return the centred kernel alignment: 1 alike up to rotation and scale, 0 unrelated.

    Args:
        x_ND: one row per case, any real numbers.
        y_NE: the same cases in the same order; the width may differ.
        kernel: ``linear``, or ``rbf``: exp(−d²/2σ²).
        bandwidth: of ``rbf`` alone: σ in median distances; the median is held fixed by the
            interval.
        debiased: from HSIC_1 (may fall a little below 0). The plain form is biased by few cases,
            and twice so where some are drawn twice: its interval is the basic one (2·value −
            quantile), for the value that many cases would give, which can leave the value outside.
        groups: the patient of each case: drawn whole for the interval, shuffled whole (among those
            of equal size) for the test.
        replicates: draws behind the interval; 0: none.
        permutations: behind p; 0: none.
        confidence: nominal coverage of the percentile interval.
        rng: a seed or a generator.

    Raises:
        DataError: tables that cannot be paired, fewer than 4 cases.

    >>> x_ND = np.random.default_rng(0).normal(size=(40, 3))
    >>> print(cka(x_ND, 2 * x_ND[:, ::-1] + 1, permutations=99))
    cka_linear_debiased 1.000 [1.000, 1.000] (n=40), p=0.01 (the floor of 99 permutations)
    """
    if kernel not in KERNELS:
        raise unknown("kernel", kernel, KERNELS)
    if not 0 < bandwidth < np.inf:
        raise DataError(f"cka: bandwidth {bandwidth} must be a number above 0")
    x_ND, y_NE = (centred(v) for v in paired_rows(x_ND, y_NE, of="cka", least=4))
    n = len(x_ND)
    name = f"cka_{kernel}_{'debiased' if debiased else 'biased'}"
    k, l, lack = _kernels(x_ND, y_NE, kernel, bandwidth)  # noqa: E741
    hsic = hsic_unbiased if debiased else hsic_biased

    def weighted(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        xy_R, xx_R, yy_R = hsic(weights_RN, k, l)
        with np.errstate(invalid="ignore", divide="ignore"):
            found_R = np.where((xx_R > 0) & (yy_R > 0), xy_R / np.sqrt(xx_R * yy_R), nan)
        return np.clip(found_R, -1, 1)  # weights of a handful of cases may lead outside

    value = nan
    null: Null = undefined
    if not lack:
        value, null = _value_and_null(
            x_ND, y_NE, k, l, linear=kernel == "linear", debiased=debiased
        )
        lack = "undefined: every two cases are equally far apart" if np.isnan(value) else ""
    about = f"bandwidth {bandwidth:g} x the median distance" if kernel == "rbf" else ""
    return infer(
        unassessed(name, value, n, about, lack),
        weighted=weighted,
        null=null,
        resampling=Resampling(groups, replicates, permutations, confidence, rng),
        reflected=not debiased,
    )


def _kernels(
    x_ND: NDArray[np.float64], y_NE: NDArray[np.float64], kernel: str, bandwidth: float
) -> tuple[Kernel, Kernel, str]:
    """Return both kernels, and the note where one is undefined."""
    lack = without_spread(x=x_ND, y=y_NE)
    sigmas = [nan, nan]
    if kernel == "rbf" and not lack:
        sigmas = [bandwidth * median_distance(v) for v in (x_ND, y_NE)]
        lack = "" if min(sigmas) > 0 else "undefined: half of all pairs of cases are the same"
    k, l = (  # noqa: E741
        kept(kernel_of(v, sigma), len(v)) for v, sigma in zip((x_ND, y_NE), sigmas, strict=True)
    )
    return k, l, lack


def _value_and_null(
    x_ND: NDArray[np.float64],
    y_NE: NDArray[np.float64],
    k: Kernel,
    l: Kernel,  # noqa: E741
    *,
    linear: bool,
    debiased: bool,
) -> tuple[float, Null]:
    """Return CKA and CKA under orders of y's rows, NaN where a side has no structure.

    Both HSIC(K, K) and HSIC(L, L) are the same in every order, so that only one sum is left.
    """
    n, wide = len(x_ND), max(x_ND.shape[1], y_NE.shape[1])
    if linear and (wide**2 < GATHER * n or 8 * n * n > WHOLE_BYTES):
        product = partial(linear_product, debiased=debiased)
        scale = sqrt(max(product(x_ND, x_ND), 0.0)) * sqrt(max(product(y_NE, y_NE), 0.0))
        if scale == 0:
            return nan, undefined
        return product(x_ND, y_NE) / scale, lambda order_PN: np.array(
            [product(x_ND, y_NE[order_N]) / scale for order_N in order_PN]
        )
    centre = centre_unbiased if debiased else centre_biased
    a_NN, b_NN = centre(k(slice(None))), centre(l(slice(None)))
    if not (a_NN.any() and b_NN.any()):
        return nan, undefined
    a_NN /= np.linalg.norm(a_NN)
    b_NN /= np.linalg.norm(b_NN)
    return float(np.vdot(a_NN, b_NN)), partial(shuffled_products, a_NN, b_NN)


def linear_product(
    x_ND: Float[np.ndarray, "N D"], y_NE: Float[np.ndarray, "N E"], *, debiased: bool
) -> float:
    """Return Σ_ij of both centred linear kernels, from centred features: no N × N matrix.

    Centred features make the rows of XXᵀ add up to 0, those of K̃ to −‖x_i‖²; what is left of
    n(n − 3)·HSIC_1 is ‖XᵀY‖² and sums over cases. The plain form is ‖XᵀY‖² alone.
    """
    whole = float(np.linalg.norm(x_ND.T @ y_NE) ** 2)
    if not debiased:
        return whole
    n = len(x_ND)
    k_N, l_N = np.einsum("nd,nd->n", x_ND, x_ND), np.einsum("nd,nd->n", y_NE, y_NE)
    diagonal = float(k_N @ l_N)
    distinct = whole - diagonal
    found = distinct + float(k_N.sum() * l_N.sum()) / ((n - 1) * (n - 2)) - 2 * diagonal / (n - 2)
    return found if abs(found) > LEAST * whole else 0.0


def centre_unbiased(kernel_NN: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    """Return the U-centred kernel (Székely & Rizzo 2014): rows add up to 0, the diagonal is 0."""
    n = len(kernel_NN)
    off_NN = kernel_NN.copy()
    np.fill_diagonal(off_NN, 0.0)
    before = float(np.linalg.norm(off_NN))
    sums_N = off_NN.sum(1)
    off_NN -= sums_N[:, None] / (n - 2)
    off_NN -= sums_N / (n - 2)
    off_NN += sums_N.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(off_NN, 0.0)
    return _orundefined(off_NN, before)


def centre_biased(kernel_NN: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    """Return HKH, H = I − 1/N."""
    means_N = kernel_NN.mean(1)
    return _orundefined(
        kernel_NN - means_N[:, None] - means_N + means_N.mean(), float(np.linalg.norm(kernel_NN))
    )


def _orundefined(centred_NN: NDArray[np.float64], before: float) -> NDArray[np.float64]:
    """Return exactly 0 where centring left rounding alone."""
    if np.linalg.norm(centred_NN) ** 2 <= LEAST * before**2:
        centred_NN[:] = 0.0
    return centred_NN
