"""How good are the scores of a classifier? Every usual measure, each with its interval.

Legend: N cases, C labels, R replicates, K measures.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np

from vesalius.core.errors import unknown
from vesalius.core.predictions import Predictions
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import Interval, Kind, bootstrap_each
from vesalius.evaluation.calibration import are_probabilities
from vesalius.evaluation.decisions import at_thresholds, top_label
from vesalius.evaluation.medmnist import MEDMNIST, medmnist_part
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, Panel, join, make_panel
from vesalius.evaluation.parts import (
    Part,
    calibration_part,
    class_calibration_part,
    class_part,
    decision_part,
    order_values,
    ranking_part,
    rows_part,
    undefined_part,
)
from vesalius.evaluation.published import PUBLISHED, Scaling, published_parts
from vesalius.evaluation.thresholds import thresholds_for

if TYPE_CHECKING:
    from jaxtyping import Float

SOUND = "classification/v1"
PROTOCOLS = {"sound": SOUND, "published": PUBLISHED, "medmnist": MEDMNIST}
NO_PROBABILITIES = "scores are not probabilities"
NO_THRESHOLDS = f"no thresholds: {NO_PROBABILITIES} and thresholds_from is not given"
ROW_SUM_TOLERANCE = 1e-3  # of class probabilities; half-precision exports are that far off


def classification(
    predictions: Predictions,
    *,
    thresholds_from: Predictions | None = None,
    protocol: Literal["sound", "published", "medmnist"] = "sound",
    scaling: Scaling = "auto",
    replicates: int = 2000,
    confidence: float = 0.95,
    kind: Kind = "percentile",
    seed: int = 0,
) -> list[Score]:
    """Return the measures of a ledger: over all labels first, then label by label.

    Unknown truth never counts as negative. A measure that cannot be had is NaN and its note says
    why; a macro mean is taken over the labels that have what it needs and names the others.

    Args:
        predictions: the cases to judge.
        thresholds_from: validation predictions on which each label's cut is chosen
            (:func:`choose_thresholds`); without them probabilities are cut at 0.5. Multi-class
            decisions are the highest score and need none.
        protocol: ``sound`` (``classification/v1``), or ``published``: macro F1, exact match, LRAP
            and coverage error as the IU-Xray study had them (``iu_xray_published/v1``), or
            ``medmnist``: AUC and ACC of its Evaluator (``medmnist/v1``).
        scaling: how the published protocol makes 0…1 of the scores, see :mod:`.published`.
        replicates: bootstrap replicates of patients; 0 for no intervals.
        confidence: of the intervals.
        kind: ``percentile`` or ``bca``.
        seed: of the bootstrap.

    Raises:
        DataError: for truths that do not fit the task, or thresholds from the same cases.
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    ready, chosen = make_panel(predictions), list[Score]()
    if protocol == "published":
        parts = published_parts(ready, predictions, scaling)
    elif protocol == "medmnist":
        parts = [medmnist_part(ready, predictions.task)]
    elif predictions.task == "multiclass":
        parts = _multiclass(ready)
    else:
        parts, chosen = _multilabel(ready, predictions, thresholds_from)
    name = PROTOCOLS[protocol]
    scores = _measure(ready, parts, replicates, confidence, kind, seed)
    notes = "" if predictions.patient_ids is not None else PATIENTS_UNKNOWN
    scores = [replace(s, protocol=name, note=join(s.note, notes)) for s in scores]
    return sorted([*scores, *(replace(s, protocol=name) for s in chosen)], key=_overall_first)


def _multilabel(
    ready: Panel, predictions: Predictions, validation: Predictions | None
) -> tuple[list[Part], list[Score]]:
    proper = are_probabilities(ready.scores_NC)
    parts = [ranking_part(ready), calibration_part(ready, "" if proper else NO_PROBABILITIES)]
    several = len(ready.label_names) > 1  # the order of one label says nothing
    orders = order_values(ready) if several else {}
    if validation is None and not proper:
        lacking = decision_part(ready, ready.scores_NC > 0, note=NO_THRESHOLDS)
        exact = [ready.score("exact_match", ready.fully_known_N, NO_THRESHOLDS)] * several
        parts.append(undefined_part([*lacking.scores, *exact]))
        return parts + ([rows_part(ready, orders)] if several else []), []
    chosen: list[Score] = []
    if validation is None:
        thresholds_C, note, notes_C = np.full(len(ready.label_names), 0.5), "cut at 0.5", []
    else:
        thresholds_C = thresholds_for(predictions, validation)
        never = [n for n, t in zip(ready.label_names, thresholds_C, strict=True) if np.isnan(t)]
        unseen = "no positive in validation: never decided present"
        note = join(
            f"{', '.join(never)}: {unseen}" if never else "", _leak(predictions, validation)
        )
        notes_C = [unseen if np.isnan(t) else "" for t in thresholds_C]
        chosen = _threshold_scores(ready, validation, thresholds_C, notes_C)
    decided_NC = at_thresholds(ready.scores_NC, thresholds_C)
    parts.append(decision_part(ready, decided_NC, note=note, notes_C=notes_C))
    if several:
        same_N = (decided_NC == (ready.truths_NC == 1)).all(1)
        rows = {"exact_match": same_N[ready.fully_known_N].astype(float)}
        parts += [rows_part(ready, rows, note), rows_part(ready, orders)]
    return parts, chosen


def _multiclass(ready: Panel) -> list[Part]:
    known_NC = ready.scores_NC[ready.fully_known_N]
    sums_N = np.abs(known_NC.sum(1) - 1) <= ROW_SUM_TOLERANCE
    note = "" if are_probabilities(known_NC) and sums_N.all() else NO_PROBABILITIES
    return [
        class_part(ready),
        ranking_part(ready),
        decision_part(ready, top_label(ready.scores_NC)),
        class_calibration_part(ready, note),
    ]


def _leak(predictions: Predictions, validation: Predictions) -> str:
    """Say so where thresholds were chosen on other images of the patients to be judged."""
    if predictions.patient_ids is None or validation.patient_ids is None:
        return ""
    shared = len(np.intersect1d(predictions.patient_ids, validation.patient_ids))
    return f"thresholds were chosen on {shared} of the same patients" if shared else ""


def _threshold_scores(
    ready: Panel,
    validation: Predictions,
    thresholds_C: Float[np.ndarray, "C"],
    notes_C: list[str],
) -> list[Score]:
    known = make_panel(validation)
    there = {s.label: s for s in known.label_scores("threshold", [""] * len(known.label_names))}
    return [
        replace(there[label], value=float(cut), note=note or "highest F1 on validation")
        for label, cut, note in zip(ready.label_names, thresholds_C, notes_C, strict=True)
    ]


def _measure(
    ready: Panel, parts: list[Part], replicates: int, confidence: float, kind: Kind, seed: int
) -> list[Score]:
    """Return the scores of all parts, with values and intervals."""

    def measure(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R K"]:
        return np.concatenate([part.measure(weights_RN) for part in parts], axis=1)

    blank = [score for part in parts for score in part.scores]
    values_K = measure(np.ones((1, len(ready.clusters_N))))[0]
    if replicates > 0:
        intervals = bootstrap_each(
            measure,
            ready.clusters_N,
            replicates=replicates,
            confidence=confidence,
            kind=kind,
            rng=np.random.default_rng(seed),
        )
    else:
        intervals = [Interval(nan, nan, note="no replicates asked for") for _ in blank]
    return [
        _filled(score, float(value), interval, confidence)
        for score, value, interval in zip(blank, values_K, intervals, strict=True)
    ]


def _filled(score: Score, value: float, interval: Interval, confidence: float) -> Score:
    low, high, note = interval.low, interval.high, interval.note
    if np.isnan(value):
        note = "" if score.note else note
    elif score.clusters < 2 and not note:
        low, high, note = nan, nan, "no interval from 1 patient"
    return replace(
        score,
        value=value,
        low=low,
        high=high,
        confidence=confidence,
        redrawn=interval.redrawn,
        note=join(score.note, note),
    )


def _overall_first(score: Score) -> bool:
    return bool(score.label)
