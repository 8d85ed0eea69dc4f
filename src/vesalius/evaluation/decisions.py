"""From scores to yes and no, and what the yes and no are worth.

Legend: N cases, C labels, R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.evaluation.ranking import ratio

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True)
class Confusion:
    """Weighted counts of each label; cases of unknown truth are in none of them."""

    true_positive_RC: Float[np.ndarray, "R C"]
    false_positive_RC: Float[np.ndarray, "R C"]
    false_negative_RC: Float[np.ndarray, "R C"]
    true_negative_RC: Float[np.ndarray, "R C"]

    @property
    def f1(self) -> Float[np.ndarray, "R C"]:
        """2TP / (2TP + FP + FN); NaN where no case has the label."""
        twice_RC = 2 * self.true_positive_RC
        f1_RC = ratio(twice_RC, twice_RC + self.false_positive_RC + self.false_negative_RC)
        return np.where(self.true_positive_RC + self.false_negative_RC > 0, f1_RC, np.nan)

    @property
    def f1_or_zero(self) -> Float[np.ndarray, "R C"]:
        """F1 as scikit-learn gives it by default: 0 where it is undefined."""
        twice_RC = 2 * self.true_positive_RC
        f1_RC = ratio(twice_RC, twice_RC + self.false_positive_RC + self.false_negative_RC)
        return np.nan_to_num(f1_RC, nan=0.0)

    @property
    def sensitivity(self) -> Float[np.ndarray, "R C"]:
        """TP / (TP + FN); NaN where no case has the label."""
        return ratio(self.true_positive_RC, self.true_positive_RC + self.false_negative_RC)

    @property
    def specificity(self) -> Float[np.ndarray, "R C"]:
        """TN / (TN + FP); NaN where every case has the label."""
        return ratio(self.true_negative_RC, self.true_negative_RC + self.false_positive_RC)


def confusion(
    truths_NC: Float[np.ndarray, "N C"],
    decided_NC: Bool[np.ndarray, "N C"],
    weights_RN: Float[np.ndarray, "R N"],
) -> Confusion:
    """Count, for each weighting of the cases, what was decided against what holds."""
    true_NC, false_NC = truths_NC == 1, truths_NC == 0
    cells = (true_NC & decided_NC, false_NC & decided_NC, true_NC & ~decided_NC)
    hit_RC, alarm_RC, miss_RC = (weights_RN @ cell_NC.astype(float) for cell_NC in cells)
    return Confusion(hit_RC, alarm_RC, miss_RC, weights_RN @ false_NC.astype(float) - alarm_RC)


def top_label(scores_NC: Float[np.ndarray, "N C"]) -> Bool[np.ndarray, "N C"]:
    """Return the decision for exactly one label: the highest score, the first of equals.

    >>> top_label(np.array([[0.2, 0.7, 0.7]])).tolist()
    [[False, True, False]]
    """
    best_N = np.argmax(np.nan_to_num(scores_NC, nan=-np.inf), axis=1)
    return np.arange(scores_NC.shape[1]) == best_N[:, None]


def at_thresholds(
    scores_NC: Float[np.ndarray, "N C"], thresholds_C: Float[np.ndarray, "C"]
) -> Bool[np.ndarray, "N C"]:
    """Return score ≥ threshold; a label whose threshold is NaN is never decided present."""
    return scores_NC >= thresholds_C
