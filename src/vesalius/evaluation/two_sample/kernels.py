"""Kernels: how alike two cases are, as a number; and the bandwidth that suits a sample.

    rbf         exp(−‖x − y‖² / 2σ²)            gamma = 1 / 2σ²
    laplace     exp(−‖x − y‖₁ / σ)
    energy      −‖x − y‖                         MMD² is then the energy distance
    linear      x · y                            MMD² is then ‖mean x − mean y‖²
    polynomial  (x · y / D + 1)³                 MMD² is then KID

Libraries differ by the 2 in the rbf's exponent. σ is by default the median distance (that of the
kernel's own exponent) between the cases of both samples pooled.

Legend: I and J cases of the two sides of a tile, S cases of a subsample, K bandwidths, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vesalius.core.errors import DataError, unknown

if TYPE_CHECKING:
    from torch import Tensor

KERNELS = ("rbf", "laplace", "energy", "linear", "polynomial")
WITH_BANDWIDTH = ("rbf", "laplace")
SUBSAMPLE = 4000  # cases that the median and the centre of the kernel are taken from
CLOSE = 0.01  # of ‖x‖² + ‖y‖²: nearer than that, a square by products is rounded too much
MANY_CLOSE = 0.05  # of a tile's pairs: with more, all are taken by differences
PAIRS = 2**14  # of cases whose differences are held at a time
GRID = 2.0 ** np.arange(-3, 4)  # times the median: the bandwidths of "aggregate"


def apart(kernel: str, left_ID: Tensor, right_JD: Tensor) -> Tensor:
    """Return what the kernel is a function of: distances or inner products."""
    import torch

    if kernel in ("linear", "polynomial"):
        return left_ID @ right_JD.T
    if kernel == "rbf":
        return _squares(left_ID, right_JD)
    if kernel == "laplace":
        return torch.cdist(left_ID, right_JD, p=1)
    return _euclidean(left_ID, right_JD)


def _squares(left_ID: Tensor, right_JD: Tensor) -> Tensor:
    import torch

    square_IJ = torch.addmm((right_JD**2).sum(1), left_ID, right_JD.T, alpha=-2)
    return square_IJ.add_((left_ID**2).sum(1, keepdim=True)).clamp_(min=0)


def _euclidean(left_ID: Tensor, right_JD: Tensor) -> Tensor:
    """Return distances: by one product, and by differences where cases lie close together.

    There the root of a rounded square would be far off.
    """
    import torch

    square_IJ = _squares(left_ID, right_JD)
    size_I, size_J = (left_ID**2).sum(1), (right_JD**2).sum(1)
    close_IJ = square_IJ < CLOSE * (size_I[:, None] + size_J)
    i, j = close_IJ.nonzero(as_tuple=True)
    if len(i) > square_IJ.numel() * MANY_CLOSE:
        exact = "donot_use_mm_for_euclid_dist"
        return torch.cdist(left_ID, right_JD, compute_mode=exact)
    for some in torch.arange(len(i), device=i.device).split(PAIRS):
        a, b = i[some], j[some]
        square_IJ[a, b] = ((left_ID[a] - right_JD[b]) ** 2).sum(1)
    return square_IJ.sqrt_()


def apart_each(kernel: str, left_ND: Tensor, right_ND: Tensor) -> Tensor:
    """Return :func:`apart` of each row with the row opposite."""
    if kernel in ("linear", "polynomial"):
        return (left_ND * right_ND).sum(1)
    between_ND = left_ND - right_ND
    if kernel == "laplace":
        return between_ND.abs().sum(1)
    square_N = (between_ND**2).sum(1)
    return square_N if kernel == "rbf" else square_N.sqrt()


def alike(kernel: str, apart_IJ: Tensor, bandwidth: float, width: int) -> Tensor:
    """Return the kernel's values from :func:`apart`'s, which stay as they are."""
    if kernel == "rbf":
        return (apart_IJ * (-0.5 / bandwidth**2)).exp_()
    if kernel == "laplace":
        return (apart_IJ * (-1 / bandwidth)).exp_()
    if kernel == "energy":
        return -apart_IJ
    return apart_IJ.clone() if kernel == "linear" else (apart_IJ / width + 1) ** 3


def alike_to_self(kernel: str, z_ND: Tensor) -> Tensor:
    """Return k(z, z) of each case."""
    import torch

    if kernel in WITH_BANDWIDTH:
        return torch.ones(len(z_ND), dtype=z_ND.dtype, device=z_ND.device)
    if kernel == "energy":
        return torch.zeros(len(z_ND), dtype=z_ND.dtype, device=z_ND.device)
    square_N = (z_ND**2).sum(1)
    return square_N if kernel == "linear" else (square_N / z_ND.shape[1] + 1) ** 3


@dataclass(frozen=True, slots=True)
class Fitted:
    """A kernel with its bandwidths; for each the mean of its values, and how far they lie from it.

    These are ``centres`` and, on average and without sign, ``spreads``.
    """

    kernel: str
    sigmas: tuple[float, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]


def fit(
    kernel: str,
    z_ND: Tensor,
    *,
    bandwidth: Any,
    gamma: float | None,
    rng: np.random.Generator,
) -> Fitted:
    """Choose the bandwidths on the pooled sample, which does not know who is x.

    Of more than :data:`SUBSAMPLE` cases so many are drawn.
    """
    import torch

    rows = np.arange(len(z_ND))
    if len(rows) > SUBSAMPLE:
        rows = np.sort(rng.choice(len(rows), SUBSAMPLE, replace=False))
    some_SD = z_ND[rows]
    apart_SS = apart(kernel, some_SD, some_SD)
    sigmas = _sigmas(bandwidth, gamma, kernel, apart_SS)
    centres, spreads, pairs = [], [], len(rows) * (len(rows) - 1)
    for sigma in sigmas:
        alike_SS = alike(kernel, apart_SS, sigma, z_ND.shape[1]).fill_diagonal_(0)
        centres.append(float(alike_SS.sum(dtype=torch.float64)) / pairs)
        from_it_SS = alike_SS.sub_(centres[-1]).abs_().fill_diagonal_(0)
        spreads.append(float(from_it_SS.sum(dtype=torch.float64)) / pairs)
    return Fitted(kernel, sigmas, tuple(centres), tuple(spreads))


def median_bandwidth(
    z_ND: ArrayLike, *, kernel: str = "rbf", rng: int | np.random.Generator = 0
) -> float:
    """Return the median distance between cases: one σ for several comparisons of the same cases.

    Of more than :data:`SUBSAMPLE` cases so many are drawn.

    >>> median_bandwidth([[0.0], [1.0], [3.0]])
    2.0
    """
    import torch

    if kernel not in WITH_BANDWIDTH:
        raise unknown("kernel with a bandwidth", kernel, WITH_BANDWIDTH)
    values = torch.from_numpy(np.asarray(z_ND))
    drawn = np.random.default_rng(rng)
    return fit(kernel, values, bandwidth="median", gamma=None, rng=drawn).sigmas[0]


def _sigmas(asked: Any, gamma: float | None, kernel: str, apart_SS: Tensor) -> tuple[float, ...]:
    """Return σ, or several to be aggregated."""
    by_median = isinstance(asked, str) and asked == "median"
    if kernel not in WITH_BANDWIDTH:
        if not by_median or gamma is not None:
            raise DataError(f"the {kernel} kernel has no bandwidth; leave bandwidth and gamma out")
        return (1.0,)
    if gamma is not None:
        if not by_median or kernel != "rbf":
            raise DataError("gamma is the rbf kernel's, in place of a bandwidth: give one of both")
        return ((0.5 / _positive(gamma, "gamma")) ** 0.5,)
    if by_median:
        return (_median(apart_SS, kernel),)
    if isinstance(asked, str):
        if asked == "aggregate":
            return tuple((GRID * _median(apart_SS, kernel)).tolist())
        raise DataError(
            f"bandwidth {asked!r} is not known; give 'median', 'aggregate', a number σ or a list "
            "of them; gamma=… gives an rbf kernel's exponent instead"
        )
    given = [_positive(one, "bandwidth") for one in np.atleast_1d(np.asarray(asked)).tolist()]
    if not given:
        raise DataError("bandwidth is an empty list")
    return tuple(given)


def _positive(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise DataError(f"{name} {value!r} is not a positive number")
    return float(value)


def _median(apart_SS: Tensor, kernel: str) -> float:
    """Return the median distance of different cases; 1 where all are equal: any σ says the same."""
    apart = apart_SS.cpu().numpy()
    pairs = apart[np.triu(np.ones(apart.shape, bool), 1)]
    pairs = np.sqrt(pairs) if kernel == "rbf" else pairs
    middle = float(np.median(pairs))
    if middle == 0 and (pairs > 0).any():  # most cases are copies of each other
        middle = float(np.median(pairs[pairs > 0]))
    return middle or 1.0
