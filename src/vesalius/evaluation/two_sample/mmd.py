"""The MMD permutation test: are two samples of embeddings drawn from one distribution?

Sources: Gretton et al. 2012 (MMD and its test); Schrab et al. 2023 (aggregation over bandwidths);
Phipson & Smyth 2010 (a permutation p-value is never 0).

Legend: n cases of x, m of y, N = n + m pooled (x first), D width, P relabellings, K bandwidths,
S a subsample, G units (cases, patients or pairs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.evaluation.two_sample.estimators import ESTIMATORS, Statistic, statistic
from vesalius.evaluation.two_sample.inference import evidence, half_width, witness
from vesalius.evaluation.two_sample.kernels import (
    KERNELS,
    SUBSAMPLE,
    WITH_BANDWIDTH,
    Fitted,
    alike,
    alike_to_self,
    apart_each,
    fit,
)
from vesalius.evaluation.two_sample.relabelling import Relabellings, relabellings
from vesalius.evaluation.two_sample.result import MMDTest
from vesalius.evaluation.two_sample.samples import samples
from vesalius.evaluation.two_sample.sums import Sums, tiled_sums

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    Matrix = Float[np.ndarray, "N D"]
ROUNDINGS = 32  # of a kernel's value; equal relabellings were seen to differ by 13
SUMS_ROUNDING = 1e-12  # of the sums, which are float64; its own eps times the cases and more
Bandwidth = Literal["median", "aggregate"] | float | Sequence[float]


def mmd_test(
    x_ND: ArrayLike,
    y_MD: ArrayLike,
    *,
    kernel: str = "rbf",
    bandwidth: Bandwidth = "median",
    gamma: float | None = None,
    estimator: str = "unbiased",
    permutations: int = 1000,
    groups_x: ArrayLike | None = None,
    groups_y: ArrayLike | None = None,
    paired: bool = False,
    rng: int | np.random.Generator = 0,
    block: int | None = None,
    device: str | None = None,
) -> MMDTest:
    """Test whether two samples come from one distribution, by their maximum mean discrepancy.

    Args:
        x_ND, y_MD: a row for each case; what is not float64 is computed in float32.
        kernel: ``rbf``, ``laplace``, ``energy``, ``linear`` or ``polynomial`` (see
            :mod:`~vesalius.evaluation.two_sample.kernels` for their exact form).
        bandwidth: σ: ``median`` of the pooled sample's distances, a number, or several numbers
            (``aggregate``: seven around the median) that are tested together: one p-value,
            corrected for the choice.
        gamma: the rbf kernel as exp(−γd²), in place of a bandwidth.
        estimator: ``unbiased``, ``u`` (without the pairs of x_i with y_i; n = m) or ``biased``.
        permutations: how many relabellings are drawn.
        groups_x, groups_y: the patient of each case. Images of one patient are no independent
            witnesses: whole patients are then exchanged. The statistic itself counts all pairs.
        paired: x_i and y_i are the same case seen twice: the sides of pairs are swapped.
        rng: a seed or a generator; equal seeds give equal results on any block size and device.
        block: cases on a side of a tile; memory grows with it, not with N².
        device: where tiles are computed; the CPU unless it is named.

    Raises:
        DataError: rows that are not finite, different widths, fewer than 2 cases or patients,
            pairs that are none, a setting that does not fit.

    >>> rng = np.random.default_rng(0)
    >>> found = mmd_test(rng.normal(0, 1, (50, 8)), rng.normal(1, 1, (60, 8)), permutations=99)
    >>> found.p_value, found.on_floor, found.units
    (0.01, True, 'cases')
    """
    import torch

    x_nD, y_mD = samples(x_ND, y_MD)
    _check(kernel, estimator, permutations, block)
    generator, n = np.random.default_rng(rng), len(x_nD)
    drawn = relabellings(
        (n, len(y_mD)), (groups_x, groups_y), paired, estimator, permutations, generator
    )
    z_ND = torch.from_numpy(_pooled(x_nD, y_mD, kernel)).to(device or "cpu")
    fitted = fit(kernel, z_ND, bandwidth=bandwidth, gamma=gamma, rng=generator)
    labels_NP = torch.from_numpy(drawn.labels_NP).to(z_ND.device)
    sums = tiled_sums(z_ND, labels_NP, fitted=fitted, block=block)
    if not np.isfinite(sums.rows_KN).all():
        raise DataError(f"the {kernel} kernel overflows {z_ND.dtype}: scale x and y down alike")
    found = _statistic(z_ND, drawn, fitted, sums, estimator)
    best, exceeding, p_value = evidence(found)
    witness_x, witness_y = witness(sums, best, n)
    half, clusters = half_width(witness_x, witness_y, drawn.unit_N)
    mmd2, sigma = float(found.mmd2_KP[best, 0]), fitted.sigmas[best]
    return MMDTest(
        mmd2, p_value, found.mmd2_KP[best, 1:], exceeding, kernel,
        sigma if kernel in WITH_BANDWIDTH else nan, estimator, n, len(y_mD), drawn.units,
        witness_x, witness_y, clusters, mmd2 - half, mmd2 + half,
        aggregated=fitted.sigmas if len(fitted.sigmas) > 1 else (),
        notes=tuple(_notes(drawn, permutations, kernel, bandwidth)),
    )  # fmt: skip


def _pooled(x_nD: Matrix, y_mD: Matrix, kernel: str) -> Matrix:
    """Return both samples as one, x first.

    Around their mean, where the kernel does not see the origin: there rounding is least.
    """
    pooled_ND = np.concatenate([x_nD, y_mD])
    if kernel == "polynomial":
        return pooled_ND
    return pooled_ND - pooled_ND.mean(0, dtype=np.float64).astype(pooled_ND.dtype)


def _check(kernel: str, estimator: str, permutations: int, block: int | None) -> None:
    if kernel not in KERNELS:
        raise unknown("kernel", kernel, KERNELS)
    if estimator not in ESTIMATORS:
        raise unknown("estimator", estimator, ESTIMATORS)
    for name, value in (("permutations", permutations), ("block", block)):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if value is not None and (not whole or value < 1):
            raise DataError(f"{name} is {value!r}; it must be a whole number, 1 or more")


def _statistic(
    z_ND: Tensor, drawn: Relabellings, fitted: Fitted, sums: Sums, estimator: str
) -> Statistic:
    return statistic(
        sums,
        drawn.labels_NP,
        estimator=estimator,
        centres_K=np.array(fitted.centres),
        self_N=alike_to_self(fitted.kernel, z_ND).double().cpu().numpy(),
        opposite_KP=_opposite(z_ND, drawn, fitted) if estimator == "u" else None,
        rounding_K=_rounding(fitted, z_ND),
    )


def _rounding(fitted: Fitted, z_ND: Tensor) -> Float[np.ndarray, "K"]:
    """Return within what two statistics are equal: rounding of one value, averaged over many."""
    import torch

    size_K = np.abs(fitted.centres) + np.array(fitted.spreads)
    grain = max(torch.finfo(z_ND.dtype).eps, SUMS_ROUNDING)
    return ROUNDINGS * grain * size_K / len(z_ND) ** 0.5


def _opposite(z_ND: Tensor, drawn: Relabellings, fitted: Fitted) -> NDArray[np.float64]:
    """Return the sums of k(x_i, y_i), less the centre, of each bandwidth and relabelling."""
    assert drawn.opposite is not None
    found = []
    for x_n, y_n in zip(*drawn.opposite, strict=True):
        apart_n = apart_each(fitted.kernel, z_ND[x_n], z_ND[y_n])
        found.append([
            float((alike(fitted.kernel, apart_n, sigma, z_ND.shape[1]) - centre).double().sum())
            for sigma, centre in zip(fitted.sigmas, fitted.centres, strict=True)
        ])  # fmt: skip
    return np.array(found).T


def _notes(
    drawn: Relabellings, permutations: int, kernel: str, bandwidth: Bandwidth
) -> Iterator[str]:
    if drawn.possible <= permutations:
        yield (
            f"only {drawn.possible:,.0f} different relabellings exist, so that p cannot be much "
            f"smaller than {1 / drawn.possible:.2g}"
        )
    subsampled = kernel in WITH_BANDWIDTH and isinstance(bandwidth, str)
    if subsampled and len(drawn.unit_N) > SUBSAMPLE:
        yield f"the median distance is that of {SUBSAMPLE:,} cases drawn at random"
