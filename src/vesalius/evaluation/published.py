"""The measures of the IU-Xray study as it published them, to stand beside the sound ones.

Scores are brought to 0…1 and cut at 0.5; macro F1 (0 where undefined), exact match, LRAP and
coverage error are scikit-learn's. Zero-shot scores were min-max scaled *within each row*, so that
the highest label of every image is always called present and the lowest never: part of the
over-prediction that the study reports. Only fully known cases count.

Source: arXiv 2506.14136. Legend: N cases, C labels, R replicates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.core.predictions import Predictions
from vesalius.evaluation.calibration import are_probabilities
from vesalius.evaluation.decisions import confusion
from vesalius.evaluation.panel import Panel
from vesalius.evaluation.parts import Part, order_values, rows_part

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

PUBLISHED = "iu_xray_published/v1"
CUT = 0.5
Scaling = Literal["auto", "min_max", "sigmoid", "none"]
SCALINGS = ("auto", "min_max", "sigmoid", "none")


def published_parts(ready: Panel, predictions: Predictions, scaling: Scaling) -> list[Part]:
    """Return the parts of the published protocol.

    ``scaling``: ``min_max`` within each row, ``sigmoid`` of logits, ``none`` for probabilities;
    ``auto`` takes ``min_max`` where ``predictions.method`` speaks of zero-shot, else ``none`` where
    all scores lie in 0…1 and ``sigmoid`` where they do not.
    """
    if predictions.task != "multilabel":
        raise DataError("the published protocol is for multilabel predictions; use 'sound'")
    chosen = _choose(scaling, predictions)
    rows_N = ready.fully_known_N
    decided_NC = rows_N[:, None] & (_scaled(ready.scores_NC, chosen) > CUT)
    truths_NC = np.where(rows_N[:, None], ready.truths_NC, np.nan)
    same_n = (decided_NC == (truths_NC == 1)).all(1)[rows_N].astype(float)
    note = {"min_max": "row-wise min-max", "sigmoid": "sigmoid", "none": "probabilities"}[chosen]
    note = f"{note}, cut at {CUT}"
    several = len(ready.label_names) > 1
    values = {"exact_match": same_n, **(order_values(ready) if several else {})}
    return [
        _f1_part(replace(ready, truths_NC=truths_NC), decided_NC, note),
        rows_part(ready, values, note),
    ]


def row_min_max(scores_NC: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N C"]:
    """Return each row stretched to 0…1; a row of equal scores becomes 0.

    >>> row_min_max(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    """
    low_N1 = scores_NC.min(1, keepdims=True)
    range_N1 = scores_NC.max(1, keepdims=True) - low_N1
    return (scores_NC - low_N1) / np.where(range_N1 > 0, range_N1, 1.0)


def _choose(scaling: Scaling, predictions: Predictions) -> str:
    if scaling not in SCALINGS:
        raise unknown("scaling", scaling, SCALINGS)
    if scaling != "auto":
        return scaling
    if predictions.method.lower().replace("-", "_").replace(" ", "_").startswith("zero_shot"):
        return "min_max"
    return "none" if are_probabilities(np.asarray(predictions.scores_NC)) else "sigmoid"


def _scaled(scores_NC: Float[np.ndarray, "N C"], scaling: str) -> Float[np.ndarray, "N C"]:
    if scaling == "min_max":
        return row_min_max(scores_NC)
    if scaling == "sigmoid":
        from scipy.special import expit

        return expit(scores_NC)
    return scores_NC


def _f1_part(ready: Panel, decided_NC: Bool[np.ndarray, "N C"], note: str) -> Part:
    def measure(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        f1_RC = confusion(ready.truths_NC, decided_NC, weights_RN).f1_or_zero
        f1_RC[weights_RN @ ready.fully_known_N.astype(float) == 0] = np.nan
        return np.concatenate([f1_RC.mean(1, keepdims=True), f1_RC], axis=1)

    return Part(ready.macro_and_labels("macro_f1", [""] * len(ready.label_names), note), measure)
