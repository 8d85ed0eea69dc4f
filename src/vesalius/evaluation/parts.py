"""The parts of a classification: scores to be, and one function from case weights to their values.

One bootstrap then serves all parts: a replicate is a row of weights.

Legend: N cases, C labels, R replicates, K measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.score import Score
from vesalius.evaluation.calibration import brier_each, ece_each, top_label_pairs
from vesalius.evaluation.decisions import confusion, top_label
from vesalius.evaluation.label_order import label_order
from vesalius.evaluation.panel import Panel, join, join_notes, macro_note
from vesalius.evaluation.ranking import auroc_and_average_precision, rank, ratio

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True)
class Part:
    """Scores to be, and the function from ``weights_RN`` to their ``values_RK``."""

    scores: list[Score]
    measure: Callable[[NDArray[np.float64]], NDArray[np.floating[Any]]]


def ranking_part(panel: Panel) -> Part:
    """AUROC and average precision, of each label and in the macro mean."""
    lacks_C = panel.lacks_C(1, 0)
    rankings = [
        None if lack else rank(truth_N, score_N)
        for truth_N, score_N, lack in zip(
            panel.truths_NC.T, panel.scores_NC.T, lacks_C, strict=True
        )
    ]

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        weights_NR = np.ascontiguousarray(weights_RN.T)
        undefined_R = np.full(len(weights_RN), nan)
        pairs = [
            (undefined_R, undefined_R)
            if ranking is None
            else auroc_and_average_precision(ranking, weights_NR)
            for ranking in rankings
        ]
        auroc_RC, precision_RC = (np.stack(values, axis=1) for values in zip(*pairs, strict=True))
        return with_macro(auroc_RC, precision_RC, lacks_C=lacks_C)

    scores = panel.macro_and_labels("macro_auroc", lacks_C)
    return Part(scores + panel.macro_and_labels("macro_average_precision", lacks_C), measure)


def decision_part(
    panel: Panel,
    decided_NC: Bool[np.ndarray, "N C"],
    *,
    note: str = "",
    notes_C: Sequence[str] = (),
) -> Part:
    """Macro F1, and F1, sensitivity and specificity of each label, of given decisions."""
    lacks_C, lacks_negative_C = panel.lacks_C(1), panel.lacks_C(0)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = confusion(panel.truths_NC, decided_NC, weights_RN)
        values_RK = with_macro(counts.f1, lacks_C=lacks_C)
        return np.concatenate([values_RK, counts.sensitivity, counts.specificity], axis=1)

    scores = panel.macro_and_labels("macro_f1", lacks_C, note, notes_C)
    for name, lacks in (("sensitivity", lacks_C), ("specificity", lacks_negative_C)):
        scores += panel.label_scores(name, join_notes(lacks, notes_C or [note] * len(lacks)))
    return Part(scores, measure)


def calibration_part(panel: Panel, note: str = "") -> Part:
    """Brier score and ECE of each label, and their means over labels."""
    lacks_C = panel.lacks_C()

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        if note:
            return np.full((len(weights_RN), 2 * (1 + len(lacks_C))), nan)
        both = (
            brier_each(panel.truths_NC, panel.scores_NC, weights_RN),
            ece_each(panel.truths_NC, panel.scores_NC, weights_RN),
        )
        return with_macro(*both, lacks_C=lacks_C)

    scores = panel.macro_and_labels("brier", lacks_C, note)
    return Part(scores + panel.macro_and_labels("ece", lacks_C, note), measure)


def rows_part(panel: Panel, values: Mapping[str, Float[np.ndarray, "n"]], note: str = "") -> Part:
    """Means over the fully known cases of values that each case has by itself."""
    rows_N = panel.fully_known_N
    table_NK = np.zeros((len(rows_N), len(values)))
    table_NK[rows_N] = np.stack(list(values.values()), axis=1)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio(weights_RN @ table_NK, (weights_RN @ rows_N.astype(float))[:, None])

    left_out = int((~rows_N & ~np.isnan(panel.truths_NC).all(1)).sum())
    partly = f"without {left_out} cases that are known in part only" if left_out else ""
    return Part([panel.score(name, rows_N, join(note, partly)) for name in values], measure)


def order_values(panel: Panel) -> dict[str, Float[np.ndarray, "n"]]:
    """LRAP and coverage error of the fully known cases."""
    rows_N = panel.fully_known_N
    lrap_n, coverage_n = label_order(panel.truths_NC[rows_N], panel.scores_NC[rows_N])
    return {"lrap": lrap_n, "coverage_error": coverage_n}


def class_part(panel: Panel) -> Part:
    """Accuracy and balanced accuracy of the highest-scored class."""
    rows_N, lacks_C = panel.fully_known_N, panel.lacks_C(1)
    decided_NC = top_label(panel.scores_NC)
    right_N = np.where(rows_N, (decided_NC & (panel.truths_NC == 1)).any(1), 0.0)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        accuracy_R = ratio(weights_RN @ right_N, weights_RN @ rows_N.astype(float))
        recall_RC = confusion(panel.truths_NC, decided_NC, weights_RN).sensitivity
        return np.stack([accuracy_R, with_macro(recall_RC, lacks_C=lacks_C)[:, 0]], axis=1)

    balanced = panel.score("balanced_accuracy", rows_N, macro_note(panel.label_names, lacks_C))
    return Part([panel.score("accuracy", rows_N), balanced], measure)


def class_calibration_part(panel: Panel, note: str = "") -> Part:
    """Brier score over all classes (0…2) and the ECE of the highest-scored class."""
    rows_N = panel.fully_known_N
    right_N, top_N = top_label_pairs(panel.truths_NC, panel.scores_NC)

    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        if note:
            return np.full((len(weights_RN), 2), nan)
        brier_R = brier_each(panel.truths_NC, panel.scores_NC, weights_RN).sum(1)
        ece_R1 = ece_each(right_N[:, None], top_N[:, None], weights_RN)
        return np.column_stack([brier_R, ece_R1])

    return Part([panel.score(name, rows_N, note) for name in ("brier", "ece")], measure)


def undefined_part(scores: list[Score]) -> Part:
    """Scores that cannot be had; their notes say why."""
    return Part(scores, lambda weights_RN: np.full((len(weights_RN), len(scores)), nan))


def with_macro(
    *values: Float[np.ndarray, "R C"], lacks_C: Sequence[str]
) -> Float[np.ndarray, "R K"]:
    """Return for each measure its mean over the labels that lack nothing, then each label."""
    defined_C = np.array([not lack for lack in lacks_C])
    columns = []
    for values_RC in values:
        some = values_RC[:, defined_C]
        macro_R = some.mean(1) if defined_C.any() else np.full(len(values_RC), nan)
        columns += [macro_R[:, None], values_RC]
    return np.concatenate(columns, axis=1)
