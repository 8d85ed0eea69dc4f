"""The classifier two-sample test: can a straight cut, learnt on one half, part the other half?

Source: Lopez-Paz & Oquab 2017. The statistic is the AUROC, which does not mind samples of unequal
size.

Legend: N cases of both samples pooled, T held-out cases, P relabellings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import bootstrap
from vesalius.evaluation.logistic import one_vs_rest
from vesalius.evaluation.ranking import auroc_and_average_precision, rank
from vesalius.evaluation.two_sample.relabelling import relabellings
from vesalius.evaluation.two_sample.samples import samples

if TYPE_CHECKING:
    from jaxtyping import Float

PENALTY = 0.1  # on standardised axes: with more axes than cases a cut must be held short


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierTest:
    """How well a classifier learnt on one half tells x from y on the other half.

    ``null_P`` holds the AUROC of each relabelling of the held-out ``units``, ``score_T`` what the
    classifier says of each held-out case, ``rows_T`` which case that is (those of x first).
    """

    auroc: float
    low: float
    high: float
    accuracy: float
    p_value: float
    null_P: Float[np.ndarray, "P"]
    exceeding: int
    n_train: int
    n_test: int
    units: str
    clusters: int
    score_T: Float[np.ndarray, "T"]
    rows_T: NDArray[np.intp]

    @property
    def on_floor(self) -> bool:
        """Whether p is the smallest that so many relabellings can give."""
        return self.exceeding == 0

    def as_score(self) -> Score:
        """Return the Score ``auroc`` of the held-out cases; the note holds p."""
        floor = ", the smallest that these can give" if self.on_floor else ""
        note = f"p = {self.p_value:.3g} by {len(self.null_P):,} relabellings of {self.units}{floor}"
        return Score(
            "auroc", self.auroc, self.low, self.high, n=self.n_test, clusters=self.clusters,
            protocol="classifier_test/v1", note=note,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.as_score()}, {self.as_score().note}"


def classifier_test(
    x_ND: ArrayLike,
    y_MD: ArrayLike,
    *,
    groups_x: ArrayLike | None = None,
    groups_y: ArrayLike | None = None,
    permutations: int = 1000,
    penalty: float = PENALTY,
    replicates: int = 1000,
    rng: int | np.random.Generator = 0,
) -> ClassifierTest:
    """Test two samples by whether logistic regression can tell held-out cases apart.

    Half of the patients of each side (of the cases, without groups) train it, the others are
    relabelled: the classifier has never seen them, so p is exact however it was trained.

    Args:
        x_ND, y_MD: a row for each case.
        groups_x, groups_y: the patient of each case.
        penalty: of the squared weights, on axes of unit variance.
        replicates: of the bootstrap behind the AUROC's interval.

    Raises:
        DataError: fewer than 4 cases or patients a side, or what :func:`mmd_test` refuses.
    """
    x_nD, y_mD = samples(x_ND, y_MD)
    if (groups_x is None) != (groups_y is None):
        raise DataError("groups_x and groups_y are given together or not at all")
    generator = np.random.default_rng(rng)
    unit_x = np.arange(len(x_nD)) if groups_x is None else np.asarray(groups_x)
    unit_y = np.arange(len(y_mD)) if groups_y is None else np.asarray(groups_y)
    learns_x, learns_y = (_half(unit_N, generator) for unit_N in (unit_x, unit_y))
    pooled_ND = np.concatenate([x_nD, y_mD]).astype(np.float64)
    learns_N = np.concatenate([learns_x, learns_y])
    of_x_N = np.arange(len(pooled_ND)) < len(x_nD)
    score_N = _scores(pooled_ND, of_x_N.astype(np.float64), learns_N, penalty)
    held = ~learns_x, ~learns_y
    grouped = groups_x is not None
    drawn = relabellings(
        (int(held[0].sum()), int(held[1].sum())),
        (unit_x[held[0]], unit_y[held[1]]) if grouped else (None, None),
        False, "unbiased", permutations, generator,
    )  # fmt: skip
    rows_T = np.flatnonzero(~learns_N)
    score_T, truth_T = score_N[rows_T], of_x_N[rows_T].astype(np.float64)
    auroc_P = _aurocs(score_T, drawn.labels_NP)
    exceeding = int((auroc_P[1:] >= auroc_P[0] - 1e-12).sum())
    ranking = rank(truth_T, score_T)
    interval = bootstrap(
        lambda weights_RN: auroc_and_average_precision(ranking, weights_RN.T)[0],
        drawn.unit_N, replicates=replicates, rng=generator,
    )  # fmt: skip
    right = float(((score_T > 0) == (truth_T == 1)).mean())
    return ClassifierTest(
        float(auroc_P[0]), interval.low, interval.high, right, (1 + exceeding) / len(auroc_P),
        auroc_P[1:], exceeding, int(learns_N.sum()), len(rows_T), drawn.units, interval.clusters,
        score_T, rows_T,
    )  # fmt: skip


def _half(unit_N: NDArray[Any], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which cases learn: those of half of the units."""
    units = np.unique(unit_N)
    if len(units) < 4:
        raise DataError(f"a classifier test needs 4 cases or patients a side, not {len(units)}")
    return np.isin(unit_N, rng.permutation(units)[: len(units) // 2])


def _scores(
    pooled_ND: Float[np.ndarray, "N D"],
    truth_N: Float[np.ndarray, "N"],
    learns_N: NDArray[np.bool_],
    penalty: float,
) -> Float[np.ndarray, "N"]:
    """Fit on the cases that learn; return every case's distance from the cut."""
    learnt_ND = pooled_ND[learns_N]
    spread_D = learnt_ND.std(0)
    scaled_ND = (pooled_ND - learnt_ND.mean(0)) / np.where(spread_D > 0, spread_D, 1)
    solved = one_vs_rest(scaled_ND[learns_N], truth_N[learns_N, None], [penalty])
    return scaled_ND @ solved.weights_RLD[0, 0] + solved.bias_RL[0, 0]


def _aurocs(
    score_T: Float[np.ndarray, "T"], labels_TP: NDArray[np.uint8]
) -> Float[np.ndarray, "P"]:
    """Return the AUROC of every relabelling, from the sums of ranks (Mann & Whitney 1947)."""
    from scipy.stats import rankdata

    n_P = labels_TP.sum(0, dtype=np.float64)
    sums_P = rankdata(score_T) @ labels_TP.astype(np.float64)
    return (sums_P - n_P * (n_P + 1) / 2) / (n_P * (len(score_T) - n_P))
