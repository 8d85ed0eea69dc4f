"""Temperature scaling: one number that makes confident models honest, fitted on validation.

Legend: N cases, C labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from vesalius.core.errors import DataError, unknown
from vesalius.core.predictions import Predictions
from vesalius.evaluation.calibration import are_probabilities, known_truths

if TYPE_CHECKING:
    from jaxtyping import Float

Kind = Literal["auto", "logits", "probabilities"]
COLDEST, HOTTEST = 1e-2, 1e2
SMALLEST = 1e-12  # a probability of 0 or 1 is taken this far off, to have a logit


def temperature_scaling(validation: Predictions, *, kind: Kind = "auto") -> float:
    """Return the temperature T that minimises the negative log-likelihood of scores / T.

    Multi-class: softmax(z/T); multi-label: σ(z/T) with one T over all labels and known truths. z
    are the logits; ``kind`` ``auto`` takes scores that all lie in 0…1 as probabilities and turns
    them into logits first. The loss is convex in 1/T, so that its derivative has one zero; it is
    sought in 0.01 ≤ T ≤ 100 (a bound is returned where the optimum lies past it: separable classes
    or scores worth nothing). Source: Guo et al. 2017, sec. 4.2.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, softmax

    logits_NC, truths_NC = _logits(validation, kind), known_truths(validation)
    if validation.task == "multiclass":
        rows_N = ~np.isnan(truths_NC).any(1)
        logits_NC, truths_NC = logits_NC[rows_N], truths_NC[rows_N]
        probability = lambda beta: softmax(beta * logits_NC, axis=1)  # noqa: E731
    else:
        known_NC = ~np.isnan(truths_NC)
        logits_NC, truths_NC = logits_NC[known_NC], truths_NC[known_NC]
        probability = lambda beta: expit(beta * logits_NC)  # noqa: E731
    if logits_NC.size == 0:
        raise DataError("temperature_scaling: no case has both a score and a known truth")

    def slope(beta: float) -> float:
        return float(np.sum(logits_NC * (probability(beta) - truths_NC)))

    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    if slope(1 / COLDEST) <= 0:
        return COLDEST
    return 1 / float(brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-14, rtol=1e-14))


def apply_temperature(
    predictions: Predictions, temperature: float, *, kind: Kind = "auto"
) -> Predictions:
    """Return the predictions with calibrated probabilities for scores; their order is the same."""
    from scipy.special import expit, softmax

    if not temperature > 0:
        raise DataError(f"apply_temperature: the temperature {temperature} must be above 0")
    scaled_NC = _logits(predictions, kind) / temperature
    calibrate = (lambda z: softmax(z, axis=1)) if predictions.task == "multiclass" else expit
    return replace(predictions, scores_NC=calibrate(scaled_NC))


def _logits(predictions: Predictions, kind: Kind) -> Float[np.ndarray, "N C"]:
    if kind not in ("auto", "logits", "probabilities"):
        raise unknown("kind of scores", kind, ("auto", "logits", "probabilities"))
    scores_NC = np.asarray(predictions.scores_NC, dtype=float)
    proper = are_probabilities(scores_NC)
    if kind == "probabilities" and not proper:
        raise DataError("temperature scaling: scores lie outside 0…1 and are no probabilities")
    if kind == "logits" or not proper:
        return scores_NC
    clipped_NC = np.clip(scores_NC, SMALLEST, 1 - SMALLEST)
    if predictions.task == "multiclass":
        return np.log(clipped_NC)
    return np.log(clipped_NC) - np.log1p(-clipped_NC)
