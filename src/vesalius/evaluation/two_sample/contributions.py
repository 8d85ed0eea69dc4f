"""Where two samples differ: which classes, and which axes, make up the distance between them.

Legend: n cases of x, m of y, D axes, P relabellings (column 0 is what was observed), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from vesalius.core.errors import DataError
from vesalius.evaluation.two_sample.relabelling import relabellings
from vesalius.evaluation.two_sample.result import MMDTest
from vesalius.evaluation.two_sample.samples import samples

if TYPE_CHECKING:
    from jaxtyping import Float

AXES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class LabelContribution:
    """What the cases of one class add to MMD², beside how frequent the class is on either side."""

    label: str
    mmd2: float
    share: float
    prevalence_x: float
    prevalence_y: float


def label_contributions(
    test: MMDTest, classes_x: ArrayLike, classes_y: ArrayLike
) -> list[LabelContribution]:
    """Split MMD² (unbiased) exactly into what the cases of each class add, the largest first.

    MMD² is the mean witness of x less that of y: class c adds Σ_{x in c} w / n − Σ_{y in c} w / m.
    A class that is as frequent on both sides and looks alike adds nothing. The witness is taken
    around the middle of both samples, which leaves the sum as it is: else a class that is merely
    more frequent would add whatever the witness happens to be around.

    Raises:
        DataError: there is not one class for each case.
    """
    x, y = np.asarray(classes_x), np.asarray(classes_y)
    for name, classes, n in (("classes_x", x, test.n), ("classes_y", y, test.m)):
        if classes.shape != (n,):
            raise DataError(f"{name} has shape {classes.shape}; it must name {n} cases' classes")
    middle = (test.witness_x.mean() + test.witness_y.mean()) / 2
    at_x, at_y = test.witness_x - middle, test.witness_y - middle
    whole = float(at_x.mean() - at_y.mean())
    found = []
    for label in np.union1d(x, y).tolist():
        of_x, of_y = x == label, y == label
        adds = float(at_x[of_x].sum() / test.n - at_y[of_y].sum() / test.m)
        share = adds / whole if whole else 0.0
        found.append(
            LabelContribution(str(label), adds, share, float(of_x.mean()), float(of_y.mean()))
        )
    return sorted(found, key=lambda own: -own.mmd2)


@dataclass(frozen=True, slots=True, eq=False)
class AxisContributions:
    """How far apart the samples' means lie on each axis.

    ``difference_D`` is mean x − mean y in pooled standard deviations, ``share_D`` the axis' share
    of the squared distance of the means (which is MMD² of the linear kernel), ``p_D`` a
    p-value that holds for all axes together.
    """

    difference_D: Float[np.ndarray, "D"]
    share_D: Float[np.ndarray, "D"]
    p_D: Float[np.ndarray, "D"]


def axis_contributions(
    x_ND: ArrayLike,
    y_MD: ArrayLike,
    *,
    permutations: int = 1000,
    groups_x: ArrayLike | None = None,
    groups_y: ArrayLike | None = None,
    paired: bool = False,
    rng: int | np.random.Generator = 0,
) -> AxisContributions:
    """Find the axes on which two samples' means differ.

    Every relabelling is judged by its largest standardised difference over all axes, so that the
    chance of any false finding stays at the level, whatever the axes have to do with each other
    (Westfall & Young 1993). Settings are those of :func:`mmd_test`.
    """
    x_nD, y_mD = samples(x_ND, y_MD)
    drawn = relabellings(
        (len(x_nD), len(y_mD)), (groups_x, groups_y), paired, "unbiased", permutations,
        np.random.default_rng(rng),
    )  # fmt: skip
    pooled_ND = np.concatenate([x_nD, y_mD]).astype(np.float64)
    pooled_ND -= pooled_ND.mean(0)
    spread_D = pooled_ND.std(0, ddof=1)
    pooled_ND /= np.where(spread_D > 0, spread_D, 1)
    n_P = drawn.labels_NP.sum(0, dtype=np.float64)
    m_P = len(pooled_ND) - n_P
    observed_D, largest_P = np.empty(pooled_ND.shape[1]), np.zeros(len(n_P))
    labels_PN = np.ascontiguousarray(drawn.labels_NP.T, dtype=np.float64)
    for start in range(0, len(observed_D), AXES_AT_ONCE):
        axes = slice(start, start + AXES_AT_ONCE)
        # the pooled mean is 0: the sum of y is that of x, negative
        sums_PD = labels_PN @ pooled_ND[:, axes]
        difference_PD = sums_PD * (1 / n_P + 1 / m_P)[:, None]
        observed_D[axes] = difference_PD[0]
        np.maximum(largest_P, np.abs(difference_PD).max(1), out=largest_P)
    slack = 1e-12 * max(1.0, float(np.abs(observed_D).max()))
    null_P = np.sort(largest_P[1:])
    reached_D = len(null_P) - np.searchsorted(null_P, np.abs(observed_D) - slack, side="left")
    square_D = (observed_D * spread_D) ** 2
    total = square_D.sum()
    return AxisContributions(
        observed_D,
        square_D / total if total > 0 else np.zeros(len(square_D)),
        (1 + reached_D) / (1 + len(null_P)),
    )
