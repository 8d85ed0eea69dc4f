"""L-BFGS for many problems at once that share their features.

All problems step together, so that the costly products with the features are one matrix product
for all; line searches and stopping are each problem's own. A step costs two products, whatever the
line search does, because along a line the logits are known from their two ends. The few problems
that are still not done when the problems' ``patience`` is over (nearly separable cases, almost no
ridge: few cases then carry the whole curvature) finish by Newton's method.

Source: Nocedal & Wright 2006, alg. 7.4 (two loops) and 3.5 (Wolfe conditions), with the
problem's own diagonal as initial inverse Hessian.

Legend: P problems, A of them still active, M parameters of one, O outputs, N cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int

ARMIJO, WOLFE = 1e-4, 0.9
LINE_STEPS = 30


class Problems(Protocol):
    """Convex problems: a loss of logits that are linear in the parameters, plus a ridge.

    ``patience`` is the number of steps after which ``newton`` gives the directions.
    """

    @property
    def patience(self) -> float: ...

    def logits(self, theta_AM: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logits (A, O, N) of some problems' parameters."""
        ...

    def loss(
        self, problem: int, logits_ON: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return one problem's loss, its derivative by the logits, its mean curvature (O,)."""
        ...

    def gradient(self, slopes_AON: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the loss's gradient (A, M) from its derivative by the logits."""
        ...

    def ridge(self, problems_A: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the ridge's strength for each parameter (A, M)."""
        ...

    def diagonal(
        self, problems_A: NDArray[np.int64], curvature_AO: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return an estimate of the Hessian's diagonal (A, M)."""
        ...

    def newton(
        self, problem: int, logits_ON: NDArray[np.float64], gradient_M: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return −(exact Hessian)⁻¹ gradient of one problem."""
        ...


@dataclass(frozen=True, slots=True)
class Minimum:
    """Parameters, objective and length of the gradient of each problem, and the steps taken."""

    theta_PM: Float[np.ndarray, "P M"]
    objective_P: Float[np.ndarray, "P"]
    gradient_P: Float[np.ndarray, "P"]
    steps_P: Int[np.ndarray, "P"]


class _Front:
    """What is carried from step to step for the problems that are still active."""

    def __init__(self, problems: Problems, start_PM: NDArray[np.float64]) -> None:
        self.index_A = np.arange(len(start_PM))
        self.theta_AM = start_PM.copy()
        self.ridge_AM = problems.ridge(self.index_A)
        self.logits_AON = problems.logits(self.theta_AM)
        parts = [problems.loss(p, z_ON) for p, z_ON in enumerate(self.logits_AON)]
        self.loss_A = np.array([loss for loss, _, _ in parts])
        self.curvature_AO = np.array([curvature_O for _, _, curvature_O in parts])
        slopes_AON = np.array([slope_ON for _, slope_ON, _ in parts])
        self.gradient_AM = problems.gradient(slopes_AON) + self.ridge_AM * self.theta_AM
        self.steps: list[NDArray[np.float64]] = []  # s, newest last
        self.changes: list[NDArray[np.float64]] = []  # y
        self.inverse: list[NDArray[np.float64]] = []  # 1 / s·y

    def objective_A(self) -> NDArray[np.float64]:
        return self.loss_A + (self.ridge_AM * self.theta_AM**2).sum(1) / 2

    def keep(self, kept_A: NDArray[np.bool_]) -> None:
        """Let go of the problems that are done."""
        for name in ("index_A", "theta_AM", "ridge_AM", "logits_AON", "loss_A", "curvature_AO",
                     "gradient_AM"):  # fmt: skip
            setattr(self, name, getattr(self, name)[kept_A])
        for history in (self.steps, self.changes, self.inverse):
            history[:] = [entry[kept_A] for entry in history]

    def direction(self, diagonal_AM: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return −H g by the two loops, H₀ being the inverse of the given diagonal."""
        q_AM = self.gradient_AM.copy()
        alphas = []
        history = list(zip(self.steps, self.changes, self.inverse, strict=True))
        for s_AM, y_AM, inverse_A in reversed(history):
            alpha_A = inverse_A * np.einsum("am,am->a", s_AM, q_AM)
            q_AM -= alpha_A[:, None] * y_AM
            alphas.append(alpha_A)
        q_AM /= diagonal_AM
        for (s_AM, y_AM, inverse_A), alpha_A in zip(history, reversed(alphas), strict=True):
            beta_A = inverse_A * np.einsum("am,am->a", y_AM, q_AM)
            q_AM += (alpha_A - beta_A)[:, None] * s_AM
        return -q_AM

    def remember(self, s_AM: NDArray[np.float64], y_AM: NDArray[np.float64], memory: int) -> None:
        sy_A = np.einsum("am,am->a", s_AM, y_AM)
        inverse_A = np.divide(1.0, sy_A, out=np.zeros_like(sy_A), where=sy_A > 0)
        for history, entry in (
            (self.steps, s_AM), (self.changes, y_AM), (self.inverse, inverse_A)
        ):  # fmt: skip
            history.append(entry)
            del history[:-memory]


def minimise(
    problems: Problems,
    start_PM: Float[np.ndarray, "P M"],
    *,
    tolerance: float,
    steps: int,
    memory: int = 20,
) -> Minimum:
    """Minimise each problem until its gradient is no longer than ``tolerance`` (Euclidean).

    A problem that cannot be improved further in float64, or that has used up its ``steps``,
    stops where it is: ``gradient_P`` tells.
    """
    front = _Front(problems, start_PM)
    count = len(start_PM)
    result = Minimum(start_PM.copy(), np.empty(count), np.empty(count), np.zeros(count, np.int64))
    stuck_A = np.zeros(count, dtype=bool)
    for step in range(steps + 1):
        length_A = np.linalg.norm(front.gradient_AM, axis=1)
        done_A = (length_A <= tolerance) | stuck_A | (step == steps)
        if done_A.any():
            ended = front.index_A[done_A]
            result.theta_PM[ended] = front.theta_AM[done_A]
            result.objective_P[ended] = front.objective_A()[done_A]
            result.gradient_P[ended] = length_A[done_A]
            result.steps_P[ended] = step
            if done_A.all():
                break
            front.keep(~done_A)
        if step < problems.patience:
            d_AM = front.direction(problems.diagonal(front.index_A, front.curvature_AO))
        else:
            columns = zip(front.index_A, front.logits_AON, front.gradient_AM, strict=True)
            d_AM = np.stack([problems.newton(int(p), z_ON, g_M) for p, z_ON, g_M in columns])
        stuck_A = _step(problems, front, d_AM, memory)
    return result


def _step(
    problems: Problems, front: _Front, d_AM: NDArray[np.float64], memory: int
) -> NDArray[np.bool_]:
    """Take one step along the given directions; return which problems could not."""
    slope_A = np.einsum("am,am->a", d_AM, front.gradient_AM)
    ridge_A = np.einsum("am,am,am->a", front.ridge_AM, front.theta_AM, d_AM)
    bend_A = np.einsum("am,am,am->a", front.ridge_AM, d_AM, d_AM)
    along_AON = problems.logits(d_AM)
    step_A = np.zeros(len(d_AM))
    slopes_AON = np.empty_like(along_AON)
    for a, problem in enumerate(front.index_A):
        found = _search(
            problems,
            int(problem),
            front.logits_AON[a],
            along_AON[a],
            (float(front.loss_A[a]), float(slope_A[a]), float(ridge_A[a]), float(bend_A[a])),
        )
        step_A[a], front.loss_A[a], slopes_AON[a], front.curvature_AO[a] = found
        front.logits_AON[a] += step_A[a] * along_AON[a]
    s_AM = step_A[:, None] * d_AM
    front.theta_AM += s_AM
    gradient_AM = problems.gradient(slopes_AON) + front.ridge_AM * front.theta_AM
    front.remember(s_AM, gradient_AM - front.gradient_AM, memory)
    front.gradient_AM = gradient_AM
    return step_A == 0


def _search(
    problems: Problems,
    problem: int,
    logits_ON: NDArray[np.float64],
    along_ON: NDArray[np.float64],
    at_zero: tuple[float, float, float, float],
) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Return a step that meets the strong Wolfe conditions, with the loss and its slopes there.

    Along the line the objective is convex: its derivative is bracketed and its root sought by
    false position. 0 is returned where rounding leaves nothing to gain.
    """
    loss_0, slope_0, ridge, bend = at_zero
    low, slope_low, high, slope_high = 0.0, slope_0, np.inf, np.nan
    step, slack = 1.0, 1e-13 * abs(loss_0)
    for _ in range(LINE_STEPS):
        loss, slopes_ON, curvature_O = problems.loss(problem, logits_ON + step * along_ON)
        slope = float(np.vdot(slopes_ON, along_ON)) + ridge + step * bend
        gain = loss - loss_0 + step * ridge + step**2 * bend / 2
        short = slope < WOLFE * slope_0
        far = slope > -WOLFE * slope_0 or not gain <= ARMIJO * step * slope_0 + slack
        if not short and not far:
            return step, loss, slopes_ON, curvature_O
        if short and not far:
            low, slope_low = step, slope
        else:
            high, slope_high = step, slope
        step = _between(low, slope_low, high, slope_high)
    loss, slopes_ON, curvature_O = problems.loss(problem, logits_ON)
    return 0.0, loss, slopes_ON, curvature_O


def _between(low: float, slope_low: float, high: float, slope_high: float) -> float:
    if not np.isfinite(high):
        return max(4 * low, 1e-3)
    share = slope_low / (slope_low - slope_high) if slope_high > slope_low else 0.5
    return low + (high - low) * min(max(share, 0.1), 0.9)
