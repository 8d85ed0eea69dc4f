"""Two models on the same cases, by any measure: swap them within patients, or draw patients.

Legend: N cases, C labels, G patients, R replicates.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError, unknown
from vesalius.core.predictions import Predictions
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import Kind, block_rows, bootstrap
from vesalius.evaluation.calibration import known_truths
from vesalius.evaluation.comparison import Comparison, model_names, paired
from vesalius.evaluation.decisions import at_thresholds, top_label
from vesalius.evaluation.measures import (
    MEASURES,
    MULTICLASS_ONLY,
    OF_DECISIONS,
    OF_RANKS,
    Measure,
)
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, join
from vesalius.evaluation.ranking import midranks

if TYPE_CHECKING:
    from jaxtyping import Float

    Thresholds = tuple[Float[np.ndarray, "C"], Float[np.ndarray, "C"]]

TOLERANCE = 1e-12  # two differences that are this near are the same


def paired_difference(
    first: Predictions,
    second: Predictions,
    *,
    measure: str = "macro_auroc",
    thresholds: Thresholds | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    kind: Kind = "percentile",
    seed: int = 0,
) -> Score:
    """Return first − second of a measure with its interval: both see the same drawn patients.

    ``measure`` is one of :data:`MEASURES`; the score is called ``<measure>_difference``.
    ``thresholds`` (first's, second's; default 0.5) serve the measures of decisions.
    """
    first, second = paired(first, second)
    function, truths_NC = measure_function(measure, first), known_truths(first)
    first_NC, second_NC = measure_inputs(first, second, measure, thresholds)

    def difference(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        return function(truths_NC, first_NC, weights_RN) - function(
            truths_NC, second_NC, weights_RN
        )

    interval = bootstrap(
        difference,
        first.clusters,
        replicates=replicates,
        confidence=confidence,
        kind=kind,
        rng=np.random.default_rng(seed),
    )
    some_N = ~np.isnan(truths_NC).all(1)
    return Score(
        f"{measure}_difference",
        float(difference(np.ones((1, len(first))))[0]),
        interval.low,
        interval.high,
        n=int(some_N.sum()),
        protocol="paired_difference/v1",
        clusters=len(np.unique(first.clusters[some_N])),
        confidence=confidence,
        redrawn=interval.redrawn,
        note=join(
            "{} - {}".format(*model_names(first, second)),
            interval.note,
            PATIENTS_UNKNOWN if first.patient_ids is None else "",
        ),
    )


def paired_permutation(
    first: Predictions,
    second: Predictions,
    *,
    measure: str = "macro_auroc",
    thresholds: Thresholds | None = None,
    permutations: int = 10_000,
    rng: np.random.Generator,
) -> Comparison:
    """Test whether two models are interchangeable: swap them, patient by patient, at random.

    p = (1 + #{|swapped difference| ≥ |observed|}) / (1 + permutations), never 0. Measures of order
    alone (AUROC, average precision) swap each model's ranks, so that models of different scales can
    be compared. Identical models differ by exactly 0 and have p = 1. The interval is left empty:
    see :func:`paired_difference`.
    """
    first, second = paired(first, second)
    function, truths_NC = measure_function(measure, first), known_truths(first)
    first_NC, second_NC = measure_inputs(first, second, measure, thresholds)
    values = [float(function(truths_NC, scores_NC)[0]) for scores_NC in (first_NC, second_NC)]
    observed = values[0] - values[1]
    if measure in OF_RANKS:
        first_NC, second_NC = rank_scores(truths_NC, first_NC), rank_scores(truths_NC, second_NC)
    names, cluster_N = np.unique(first.clusters, return_inverse=True)
    # Both models' scores lie below one another; a swap only says which half of a case counts.
    twice_2NC, both_2NC = np.concatenate([truths_NC] * 2), np.concatenate([first_NC, second_NC])
    at_least, done, rows = 0, 0, block_rows(2 * len(first))
    while done < permutations and not np.isnan(observed):
        size = min(rows, permutations - done)
        kept_RN = rng.integers(0, 2, (size, len(names)))[:, cluster_N].astype(float)
        mine_R2N = np.concatenate([kept_RN, 1 - kept_RN], axis=1)
        swapped_R = function(twice_2NC, both_2NC, mine_R2N) - function(
            twice_2NC, both_2NC, 1 - mine_R2N
        )
        at_least += int(np.sum(np.abs(swapped_R) >= abs(observed) - TOLERANCE))
        done += size
    p_value = nan if np.isnan(observed) else (1 + at_least) / (1 + permutations)
    some_N = ~np.isnan(truths_NC).all(1)
    return Comparison(
        measure,
        *model_names(first, second),
        values[0],
        values[1],
        observed,
        p_value=p_value,
        test=f"paired permutation, {permutations:,} swaps of patients",
        n=int(some_N.sum()),
        clusters=len(np.unique(first.clusters[some_N])),
        note=_permutation_note(first, len(names), at_least, permutations, observed),
    )


def _permutation_note(
    first: Predictions, patients: int, at_least: int, permutations: int, observed: float
) -> str:
    if np.isnan(observed):
        return "the measure is undefined on these cases"
    few = patients < 60 and 2**patients < permutations
    return join(
        f"p is as small as {permutations:,} swaps allow" if at_least == 0 else "",
        f"{patients} patients allow only {2**patients} swaps" if few else "",
        PATIENTS_UNKNOWN if first.patient_ids is None else "",
    )


def measure_function(name: str, predictions: Predictions) -> Measure:
    """Return the measure of a name, or say that these predictions have none such."""
    if name not in MEASURES:
        raise unknown("measure", name, MEASURES)
    if name in MULTICLASS_ONLY and predictions.task != "multiclass":
        raise DataError(f"{name} is a measure of multiclass predictions; these are multilabel")
    return MEASURES[name]


def measure_inputs(
    first: Predictions, second: Predictions, measure: str, thresholds: Thresholds | None
) -> tuple[Float[np.ndarray, "N C"], Float[np.ndarray, "N C"]]:
    """Return what the measure takes: scores, or decisions of 0 and 1 (NaN: no score)."""
    scores = [np.asarray(each.scores_NC, dtype=float) for each in (first, second)]
    if measure not in OF_DECISIONS:
        return scores[0], scores[1]
    half_C = np.full(len(first.label_names), 0.5)
    cuts = thresholds or (half_C, half_C)
    decided = [
        top_label(s_NC) if first.task == "multiclass" else at_thresholds(s_NC, np.asarray(cut_C))
        for s_NC, cut_C in zip(scores, cuts, strict=True)
    ]
    kept = [np.where(np.isnan(s), nan, d) for s, d in zip(scores, decided, strict=True)]
    return kept[0], kept[1]


def rank_scores(
    truths_NC: Float[np.ndarray, "N C"], scores_NC: Float[np.ndarray, "N C"]
) -> Float[np.ndarray, "N C"]:
    """Return each label's scores as ranks among its known cases, ties halved; NaN elsewhere."""
    ranks_NC = np.full(scores_NC.shape, nan)
    for c, known_N in enumerate((~np.isnan(truths_NC)).T):
        ranks_NC[known_N, c] = midranks(scores_NC[known_N, c])
    return ranks_NC
