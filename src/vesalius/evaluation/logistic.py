"""Ridge-penalised logistic regression: many labels and many penalties in one solve.

For each label c and penalty λ, over the n cases whose label is known,

    min  1/n Σ_i log(1 + exp(−y_i (w·x_i + b))) + λ/2 ‖w‖²,      y_i = ±1

or the multinomial form with one softmax over all classes. The intercept b is free. scikit-learn's C
is 1 / (n λ).

The features are centred and turned into the eigenbasis of their covariance, where the Hessian is
nearly diagonal: p(1−p)·eigenvalue + λ. That diagonal preconditions L-BFGS, so that ill-conditioned
features cost no more steps than isotropic ones; with fewer cases than features the basis spans the
cases alone. Everything is float64.

Legend: N cases, D width, E ≤ D directions of the basis, L labels or classes, R penalties,
P problems (L·R, or R), O outputs of a problem (1, or L).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core import DataError
from vesalius.evaluation.lbfgs import Minimum, Problems, minimise

if TYPE_CHECKING:
    from jaxtyping import Float, Int

BUDGET_BYTES = 256 << 20  # for the logits of the problems that are solved together
STEPS = 1000


@dataclass(frozen=True, slots=True)
class Solution:
    """Heads for each penalty and label, with the objective reached and the gradient's length.

    ``objective_RL`` and ``gradient_RL`` of a multinomial solve are the same for all its classes.
    """

    weights_RLD: Float[np.ndarray, "R L D"]
    bias_RL: Float[np.ndarray, "R L"]
    objective_RL: Float[np.ndarray, "R L"]
    gradient_RL: Float[np.ndarray, "R L"]
    steps_RL: Int[np.ndarray, "R L"]


def one_vs_rest(
    features_ND: Float[np.ndarray, "N D"],
    labels_NL: Float[np.ndarray, "N L"],
    penalties: ArrayLike,
    *,
    tolerance: float = 1e-6,
    steps: int = STEPS,
) -> Solution:
    """Fit one binary head for each label and penalty; labels are 1, 0 or NaN (not used).

    ``tolerance`` bounds the Euclidean length of the objective's gradient. Raises DataError for a
    label that is all of one kind: its head has no finite optimum.
    """
    basis, penalties_R = _Basis.of(features_ND), _positive(penalties)
    labels_LN = np.ascontiguousarray(np.asarray(labels_NL, dtype=np.float64).T)
    for column, label_N in enumerate(labels_LN):
        if not ((label_N == 1).any() and (label_N == 0).any()):
            raise DataError(f"logistic: label {column} lacks a positive or a negative case")
    odds_L = [np.log(np.nanmean(y_N) / (1 - np.nanmean(y_N))) for y_N in labels_LN]
    shape = len(penalties_R), len(labels_LN)
    label_P = np.tile(np.arange(shape[1]), shape[0])
    ridge_P = np.repeat(penalties_R, shape[1])
    start_PM = np.zeros((len(label_P), basis.z_NM.shape[1]))
    start_PM[:, -1] = np.array(odds_L)[label_P]
    group = max(1, BUDGET_BYTES // (8 * len(features_ND)))
    minima = [
        minimise(
            _Binary(basis, labels_LN, label_P[rows], ridge_P[rows]),
            start_PM[rows],
            tolerance=tolerance,
            steps=steps,
        )
        for rows in (slice(at, at + group) for at in range(0, len(label_P), group))
    ]
    return _solution(minima, basis, shape)


def multinomial(
    features_ND: Float[np.ndarray, "N D"],
    classes_N: Int[np.ndarray, "N"],
    penalties: ArrayLike,
    *,
    tolerance: float = 1e-6,
    steps: int = STEPS,
) -> Solution:
    """Fit one softmax over the classes 0 … L−1 for each penalty; every class needs a case."""
    basis, penalties_R = _Basis.of(features_ND), _positive(penalties)
    counts_L = np.bincount(classes_N)
    if len(counts_L) < 2 or (counts_L == 0).any():
        raise DataError("logistic: a multinomial fit needs 2 classes, and a case of each")
    log_odds_L = np.log(counts_L / counts_L.sum())
    classes, width = len(counts_L), basis.z_NM.shape[1]
    start_OM = np.zeros((classes, width))
    start_OM[:, -1] = log_odds_L - log_odds_L.mean()
    group = max(1, BUDGET_BYTES // (8 * len(features_ND) * classes))
    minima = [
        minimise(
            _Softmax(basis, classes_N, classes, penalties_R[at : at + group]),
            np.tile(start_OM.ravel(), (len(penalties_R[at : at + group]), 1)),
            tolerance=tolerance,
            steps=steps,
        )
        for at in range(0, len(penalties_R), group)
    ]
    return _solution(minima, basis, (len(penalties_R), classes))


@dataclass(frozen=True, slots=True)
class _Basis:
    """Centred features in the eigenbasis of their covariance, beside a column of ones."""

    z_NM: Float[np.ndarray, "N E+1"]
    variance_M: Float[np.ndarray, "E+1"]  # of z; 1 for the ones
    axes_DE: Float[np.ndarray, "D E"]
    mean_D: Float[np.ndarray, "D"]

    @classmethod
    def of(cls, features_ND: ArrayLike) -> _Basis:
        x_ND = np.array(features_ND, dtype=np.float64)
        if x_ND.ndim != 2 or not len(x_ND) or not np.isfinite(x_ND).all():
            raise DataError("logistic: features must be a matrix of finite numbers")
        n, width = x_ND.shape
        mean_D = x_ND.mean(0)
        x_ND -= mean_D
        span_DE = np.linalg.qr(x_ND.T)[0] if n < width else None
        if span_DE is not None:
            x_ND = x_ND @ span_DE
        variance_E, axes_DE = np.linalg.eigh(x_ND.T @ x_ND / n)
        z_NM = np.empty((n, len(variance_E) + 1))
        np.matmul(x_ND, axes_DE, out=z_NM[:, :-1])
        z_NM[:, -1] = 1.0
        if span_DE is not None:
            axes_DE = span_DE @ axes_DE
        return cls(z_NM, np.append(np.maximum(variance_E, 0.0), 1.0), axes_DE, mean_D)


class _Linear:
    """The part that both forms share: logits and gradients as one product for all problems."""

    def __init__(self, basis: _Basis, outputs: int, ridge_P: NDArray[np.float64]) -> None:
        self.basis, self.outputs, self.ridge_P = basis, outputs, ridge_P

    @property
    def patience(self) -> float:
        return np.inf

    def newton(
        self, problem: int, logits_ON: NDArray[np.float64], gradient_M: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        raise TypeError("a softmax has no small Hessian")

    def logits(self, theta_AM: NDArray[np.float64]) -> NDArray[np.float64]:
        z_NM = self.basis.z_NM
        logits_KN = theta_AM.reshape(-1, z_NM.shape[1]) @ z_NM.T
        return logits_KN.reshape(len(theta_AM), self.outputs, -1)

    def gradient(self, slopes_AON: NDArray[np.float64]) -> NDArray[np.float64]:
        z_NM = self.basis.z_NM
        return (slopes_AON.reshape(-1, len(z_NM)) @ z_NM).reshape(len(slopes_AON), -1)

    def ridge(self, problems_A: NDArray[np.int64]) -> NDArray[np.float64]:
        ridge_M = np.append(np.ones(len(self.basis.variance_M) - 1), 0.0)
        return self.ridge_P[problems_A, None] * np.tile(ridge_M, self.outputs)

    def diagonal(
        self, problems_A: NDArray[np.int64], curvature_AO: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        hessian_AOM = curvature_AO[:, :, None] * self.basis.variance_M
        tiny = np.finfo(np.float64).tiny
        return hessian_AOM.reshape(len(problems_A), -1) + self.ridge(problems_A) + tiny


class _Binary(_Linear):
    """One sigmoid for each problem."""

    def __init__(
        self,
        basis: _Basis,
        labels_LN: NDArray[np.float64],
        label_P: NDArray[np.int64],
        ridge_P: NDArray[np.float64],
    ) -> None:
        super().__init__(basis, 1, ridge_P)
        known_LN = ~np.isnan(labels_LN)
        self.target_LN = np.where(known_LN, labels_LN, 0.0)
        self.share_LN = known_LN / known_LN.sum(1, keepdims=True)
        self.label_P = label_P

    def loss(
        self, problem: int, logits_ON: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        z_N, label = logits_ON[0], self.label_P[problem]
        target_N, share_N = self.target_LN[label], self.share_LN[label]
        small_N = np.exp(-np.abs(z_N))
        loss_N = np.log1p(small_N) + np.maximum(z_N, 0.0) - target_N * z_N
        chance_N = np.where(z_N >= 0, 1.0, small_N) / (1.0 + small_N)
        curvature = share_N @ (chance_N - chance_N * chance_N)
        return float(share_N @ loss_N), (share_N * (chance_N - target_N))[None], curvature[None]

    @property
    def patience(self) -> float:
        return max(50.0, self.basis.z_NM.shape[1] / 5)

    def newton(
        self, problem: int, logits_ON: NDArray[np.float64], gradient_M: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        from scipy.linalg import cho_factor, cho_solve

        small_N = np.exp(-np.abs(logits_ON[0]))
        curvature_N = self.share_LN[self.label_P[problem]] * small_N / (1.0 + small_N) ** 2
        scaled_NM = np.sqrt(curvature_N)[:, None] * self.basis.z_NM
        hessian_MM = scaled_NM.T @ scaled_NM
        ridge_M = self.ridge(np.array([problem]))[0]
        # The intercept has no ridge: a grain of its own size keeps the factor positive.
        grain = np.finfo(np.float64).eps * max(float(hessian_MM.diagonal().max()), 1e-300)
        hessian_MM[np.diag_indices_from(hessian_MM)] += ridge_M + grain
        return np.asarray(-cho_solve(cho_factor(hessian_MM, overwrite_a=True), gradient_M))


class _Softmax(_Linear):
    """One softmax over all classes for each problem."""

    def __init__(
        self,
        basis: _Basis,
        classes_N: NDArray[np.int64],
        classes: int,
        ridge_P: NDArray[np.float64],
    ) -> None:
        super().__init__(basis, classes, ridge_P)
        self.at = classes_N, np.arange(len(classes_N))

    def loss(
        self, problem: int, logits_ON: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        n = logits_ON.shape[1]
        shifted_ON = logits_ON - logits_ON.max(0)
        chance_ON = np.exp(shifted_ON)
        total_N = chance_ON.sum(0)
        loss = float(np.mean(np.log(total_N) - shifted_ON[self.at]))
        chance_ON /= total_N
        curvature_O = (chance_ON - chance_ON**2).mean(1)
        chance_ON[self.at] -= 1.0
        return loss, chance_ON / n, curvature_O


def _positive(penalties: ArrayLike) -> NDArray[np.float64]:
    penalties_R = np.asarray(penalties, dtype=np.float64)
    if penalties_R.ndim != 1 or not penalties_R.size or not (penalties_R > 0).all():
        raise DataError(f"logistic: penalties {penalties!r} must be positive, and at least one")
    return penalties_R


def _solution(minima: Sequence[Minimum], basis: _Basis, shape: tuple[int, int]) -> Solution:
    """Turn the heads back to the features' own axes and origin."""
    theta = np.concatenate([minimum.theta_PM for minimum in minima])
    theta_RLM = theta.reshape(*shape, -1)
    weights_RLD = theta_RLM[:, :, :-1] @ basis.axes_DE.T
    outputs = shape[0] * shape[1] // len(theta)

    def spread(name: str) -> NDArray[np.float64]:
        values_P = np.concatenate([getattr(minimum, name) for minimum in minima])
        return np.repeat(values_P, outputs).reshape(shape)

    return Solution(
        weights_RLD,
        theta_RLM[:, :, -1] - weights_RLD @ basis.mean_D,
        spread("objective_P"),
        spread("gradient_P"),
        spread("steps_P").astype(np.int64),
    )


__all__ = ["Problems", "Solution", "multinomial", "one_vs_rest"]
