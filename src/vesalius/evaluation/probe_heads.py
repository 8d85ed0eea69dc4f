"""The heads of a linear probe for each penalty and label, constant where nothing can be learnt.

Legend: N training cases, C labels, L ≤ C that are fitted, D width, R penalties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError
from vesalius.evaluation.alignment import class_of
from vesalius.evaluation.logistic import Solution, multinomial, one_vs_rest

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of every penalty, on scaled features; ``fitted_C`` tells which are not constant."""

    weights_RCD: Float[np.ndarray, "R C D"]
    bias_RC: Float[np.ndarray, "R C"]
    fitted_C: Bool[np.ndarray, "C"]
    notes: dict[str, str]


def fit_labels(
    train_ND: NDArray[np.float64],
    cases: CaseSet,
    penalties_R: NDArray[np.float64],
    tolerance: float,
) -> Heads:
    """Fit one head a label; a label of one kind gets the odds of its cases and half one of each."""
    labels_NC = np.asarray(cases.labels_NC, dtype=np.float64)
    ones_C, known_C = (labels_NC == 1).sum(0), (~np.isnan(labels_NC)).sum(0)
    fitted_C = np.flatnonzero((ones_C > 0) & (ones_C < known_C))
    if fitted_C.size == 0:
        raise DataError("linear_probe: no label has both a positive and a negative training case")
    shape = len(penalties_R), len(cases.label_names)
    weights_RCD = np.zeros((*shape, train_ND.shape[1]))
    odds_C = np.log((ones_C + 0.5) / (known_C - ones_C + 0.5))
    bias_RC = np.tile(np.where(known_C > 0, odds_C, np.nan), (shape[0], 1))
    solution = one_vs_rest(train_ND, labels_NC[:, fitted_C], penalties_R, tolerance=tolerance)
    weights_RCD[:, fitted_C], bias_RC[:, fitted_C] = solution.weights_RLD, solution.bias_RL
    names = [cases.label_names[c] for c in fitted_C]
    notes = _unconverged(solution, names, tolerance)
    for name, ones, known in zip(cases.label_names, ones_C, known_C, strict=True):
        if known == 0:
            notes[name] = "no score: no training case has a known label"
        elif ones in (0, known):
            kind = "positive" if ones else "negative"
            notes[name] = f"constant: all {known} known training cases are {kind}"
    return Heads(weights_RCD, bias_RC, (ones_C > 0) & (ones_C < known_C), notes)


def fit_classes(
    train_ND: NDArray[np.float64],
    cases: CaseSet,
    penalties_R: NDArray[np.float64],
    tolerance: float,
) -> Heads:
    """Fit one softmax over the classes that occur; the others get constant heads."""
    class_N = class_of(cases.labels_NC)
    present_C = np.unique(class_N[class_N >= 0])
    if len(present_C) < 2:
        raise DataError("linear_probe: the training cases are all of one class")
    rows_N, n = class_N >= 0, int((class_N >= 0).sum())
    solution = multinomial(
        train_ND[rows_N],
        np.searchsorted(present_C, class_N[rows_N]),
        penalties_R,
        tolerance=tolerance,
    )
    shape = len(penalties_R), len(cases.label_names)
    weights_RCD = np.zeros((*shape, train_ND.shape[1]))
    mean_D = train_ND[rows_N].mean(0)
    usual_RL = solution.weights_RLD @ mean_D + solution.bias_RL
    # A class that was never seen gets, at the mean of the features, the odds of half a case.
    unseen_R = np.logaddexp.reduce(usual_RL, axis=1) + np.log(0.5 / (n + 0.5))
    bias_RC = np.tile(unseen_R[:, None], (1, shape[1]))
    weights_RCD[:, present_C], bias_RC[:, present_C] = solution.weights_RLD, solution.bias_RL
    notes = _unconverged(solution, [cases.label_names[c] for c in present_C], tolerance)
    for c in np.setdiff1d(np.arange(shape[1]), present_C):
        notes[cases.label_names[c]] = "constant: no training case of this class"
    return Heads(weights_RCD, bias_RC, np.isin(np.arange(shape[1]), present_C), notes)


def _unconverged(solution: Solution, names: Sequence[str], tolerance: float) -> dict[str, str]:
    return {
        name: f"gradient {length:.1e} stayed above the tolerance {tolerance:.0e}"
        for name, length in zip(names, solution.gradient_RL.max(0), strict=True)
        if length > tolerance
    }
