"""The overall measures by name: functions of truths, scores and case weights.

A measure takes ``truths_NC`` (1, 0, NaN unknown), ``scores_NC`` (NaN: no score) and ``weights_RN``
(whole numbers, for R replicates; default: every case once) and returns ``values_R``, NaN where
undefined. Intervals, permutation tests and paired differences are built on these alone.

Legend: N cases, C labels, R replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.evaluation.calibration import brier_each, ece_each, top_label_pairs
from vesalius.evaluation.decisions import confusion, top_label
from vesalius.evaluation.label_order import label_order
from vesalius.evaluation.ranking import auroc_and_average_precision, rank, ratio

if TYPE_CHECKING:
    from jaxtyping import Float

    Table = Float[np.ndarray, "N C"]
    Weights = Float[np.ndarray, "R N"]
    Values = Float[np.ndarray, "R"]

Measure = Callable[..., "Values"]


def macro_auroc(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Mean AUROC over the labels that have positives and negatives."""
    return _macro_ranking(truths_NC, scores_NC, weights_RN)[0]


def macro_average_precision(
    truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None
) -> Values:
    """Mean average precision over the labels that have positives and negatives."""
    return _macro_ranking(truths_NC, scores_NC, weights_RN)[1]


def macro_f1(truths_NC: Table, decided_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Mean F1 over the labels that have positives; scores are decisions (0 or 1)."""
    truths_NC = _known(truths_NC, decided_NC)
    some_C = (truths_NC == 1).any(0)
    weights_RN = _weights(truths_NC, weights_RN)
    if not some_C.any():
        return np.full(len(weights_RN), nan)
    counts = confusion(truths_NC[:, some_C], decided_NC[:, some_C] == 1, weights_RN)
    return counts.f1.mean(1)


def exact_match(truths_NC: Table, decided_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Share of fully known cases whose every label is decided rightly; scores are decisions."""
    rows_N = ~np.isnan(_known(truths_NC, decided_NC)).any(1)
    return _mean((truths_NC == decided_NC).all(1).astype(float), rows_N, weights_RN)


def lrap(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Label ranking average precision over fully known cases."""
    rows_N = ~np.isnan(_known(truths_NC, scores_NC)).any(1)
    return _mean(label_order(truths_NC, scores_NC)[0], rows_N, weights_RN)


def coverage_error(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """How far down the list all true labels are found, over fully known cases."""
    rows_N = ~np.isnan(_known(truths_NC, scores_NC)).any(1)
    return _mean(label_order(truths_NC, scores_NC)[1], rows_N, weights_RN)


def brier(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Mean over labels of the Brier score; NaN for scores outside 0…1."""
    truths_NC = _known(truths_NC, scores_NC)
    some_C = ~np.isnan(truths_NC).all(0)
    brier_RC = brier_each(truths_NC, scores_NC, _weights(truths_NC, weights_RN))
    return brier_RC[:, some_C].mean(1) if some_C.any() else brier_RC.sum(1)


def ece(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Mean over labels of the expected calibration error; NaN for scores outside 0…1."""
    truths_NC = _known(truths_NC, scores_NC)
    some_C = ~np.isnan(truths_NC).all(0)
    ece_RC = ece_each(truths_NC, scores_NC, _weights(truths_NC, weights_RN))
    return ece_RC[:, some_C].mean(1) if some_C.any() else ece_RC.sum(1)


def accuracy(truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None) -> Values:
    """Share of cases whose highest score is the true class (multi-class)."""
    rows_N = ~np.isnan(_known(truths_NC, scores_NC)).any(1)
    return _mean(top_label_pairs(truths_NC, scores_NC)[0] == 1, rows_N, weights_RN)


def balanced_accuracy(
    truths_NC: Table, scores_NC: Table, weights_RN: Weights | None = None
) -> Values:
    """Mean over the classes that occur of the share decided rightly (multi-class)."""
    truths_NC = _known(truths_NC, scores_NC)
    truths_NC[np.isnan(truths_NC).any(1)] = nan
    some_C = (truths_NC == 1).any(0)
    weights_RN = _weights(truths_NC, weights_RN)
    if not some_C.any():
        return np.full(len(weights_RN), nan)
    return confusion(truths_NC, top_label(scores_NC), weights_RN).sensitivity[:, some_C].mean(1)


MEASURES: dict[str, Measure] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "brier": brier,
    "coverage_error": coverage_error,
    "ece": ece,
    "exact_match": exact_match,
    "lrap": lrap,
    "macro_auroc": macro_auroc,
    "macro_average_precision": macro_average_precision,
    "macro_f1": macro_f1,
}
OF_DECISIONS = frozenset({"exact_match", "macro_f1"})  # of 0 and 1, after a cut
OF_RANKS = frozenset({"macro_auroc", "macro_average_precision"})  # of each label's order alone
MULTICLASS_ONLY = frozenset({"accuracy", "balanced_accuracy"})


def _macro_ranking(
    truths_NC: Table, scores_NC: Table, weights_RN: Weights | None
) -> tuple[Values, Values]:
    truths_NC = _known(truths_NC, scores_NC)
    weights_NR = np.ascontiguousarray(_weights(truths_NC, weights_RN).T)
    some_C = (truths_NC == 1).any(0) & (truths_NC == 0).any(0)
    pairs = [
        auroc_and_average_precision(rank(truths_NC[:, c], scores_NC[:, c]), weights_NR)
        for c in np.flatnonzero(some_C)
    ]
    if not pairs:
        undefined_R = np.full(weights_NR.shape[1], nan)
        return undefined_R, undefined_R
    auroc_R, precision_R = (
        np.mean(np.stack(values), axis=0) for values in zip(*pairs, strict=True)
    )
    return auroc_R, precision_R


def _known(truths_NC: Table, scores_NC: Table) -> Table:
    return np.where(np.isnan(scores_NC), nan, truths_NC)


def _weights(truths_NC: Table, weights_RN: Weights | None) -> Weights:
    return np.ones((1, len(truths_NC))) if weights_RN is None else weights_RN


def _mean(
    value_N: Float[np.ndarray, "N"], rows_N: Float[np.ndarray, "N"], weights_RN: Weights | None
) -> Values:
    weights_RN = np.ones((1, len(rows_N))) if weights_RN is None else weights_RN
    return ratio(weights_RN @ np.where(rows_N, value_N, 0.0), weights_RN @ rows_N.astype(float))
