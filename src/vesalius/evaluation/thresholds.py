"""Where to cut a score: chosen on validation, never on the cases that are then judged.

Legend: N cases, C labels.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError
from vesalius.core.predictions import Predictions
from vesalius.evaluation.calibration import known_truths

if TYPE_CHECKING:
    from jaxtyping import Float


def choose_thresholds(predictions: Predictions) -> Float[np.ndarray, "C"]:
    """Return for each label the cut (score ≥ cut is positive) with the highest F1.

    The cut is one of the scores; among equally good cuts the highest is taken (fewest positives).
    NaN for a label without a known positive: it can then only be decided absent.

    >>> scores_41 = np.array([[0.1], [0.4], [0.6], [0.9]])
    >>> truths_41 = np.array([[0.0], [1], [0], [1]])
    >>> validation = Predictions(scores_41, truths_41, ("Edema",), np.array(list("abcd")))
    >>> choose_thresholds(validation).tolist()
    [0.4]
    """
    truths_NC = known_truths(predictions)
    scores_NC = np.asarray(predictions.scores_NC, dtype=float)
    columns = zip(truths_NC.T, scores_NC.T, strict=True)
    return np.array([_best_cut(truth_N, score_N) for truth_N, score_N in columns])


def thresholds_for(predictions: Predictions, validation: Predictions) -> Float[np.ndarray, "C"]:
    """Return the thresholds chosen on ``validation``, in the label order of ``predictions``.

    Raises DataError where a label is missing there, or where the two share a case.
    """
    missing = [name for name in predictions.label_names if name not in validation.label_names]
    if missing:
        raise DataError(
            f"thresholds_from has no label {missing[0]!r}; "
            f"its labels are {', '.join(validation.label_names)}"
        )
    shared = np.intersect1d(predictions.case_ids, validation.case_ids)
    if shared.size:
        raise DataError(
            f"thresholds_from shares {shared.size} case ids with the cases to be judged, first "
            f"{str(shared[0])!r}: choose thresholds on other cases (the validation split)"
        )
    chosen_C = choose_thresholds(validation)
    return chosen_C[[validation.label_names.index(name) for name in predictions.label_names]]


def _best_cut(truth_N: Float[np.ndarray, "N"], score_N: Float[np.ndarray, "N"]) -> float:
    known_N = ~np.isnan(truth_N)
    truth_N, score_N = truth_N[known_N], score_N[known_N]
    if not (truth_N == 1).any():
        return nan
    order_N = np.argsort(-score_N, kind="stable")
    truth_N, score_N = truth_N[order_N], score_N[order_N]
    hits_N, decided_N = np.cumsum(truth_N), np.arange(1, len(truth_N) + 1)
    f1_N = 2 * hits_N / (decided_N + hits_N[-1])
    last_of_equals_N = np.append(score_N[1:] != score_N[:-1], True)
    return float(score_N[np.argmax(np.where(last_of_equals_N, f1_N, -1.0))])
