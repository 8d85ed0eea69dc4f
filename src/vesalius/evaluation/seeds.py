"""Several trainings of one method: what the patients and what the seeds leave open, told apart.

The measure is taken of each seed's predictions and averaged. **Sampling**: patients are drawn, the
same for all seeds, and the averaged measure is taken anew. **Optimisation**: the spread of the
seeds' own values on the same patients. Protocol ``seed_mean/v1``.

Legend: N cases, C labels, R replicates, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.errors import DataError
from vesalius.core.predictions import Predictions
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import block_rows, bootstrap
from vesalius.evaluation.calibration import known_truths
from vesalius.evaluation.comparison import Comparison, paired
from vesalius.evaluation.measures import OF_DECISIONS, OF_RANKS
from vesalius.evaluation.paired import TOLERANCE, measure_function, measure_inputs, rank_scores
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, join
from vesalius.evaluation.thresholds import thresholds_for

if TYPE_CHECKING:
    from jaxtyping import Float

    Weighted = Callable[[Float[np.ndarray, "R N"]], Float[np.ndarray, "R"]]

PROTOCOL = "seed_mean/v1"


@dataclass(frozen=True, slots=True)
class Spread:
    """How far seeds scatter: each one's value, their deviation, the t-interval of their mean."""

    values: tuple[float, ...]
    sd: float = nan
    low: float = nan
    high: float = nan


def spread(values: Sequence[float], *, confidence: float = 0.95) -> Spread:
    """Return the spread of the seeds' values; one seed alone has none.

    >>> own = spread([0.80, 0.82, 0.84])
    >>> round(own.sd, 3), round(own.low, 3), round(own.high, 3)
    (0.02, 0.77, 0.87)
    """
    from scipy.stats import t

    if len(values) < 2:
        return Spread(tuple(values))
    sd = float(np.std(values, ddof=1))
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * sd / sqrt(len(values))
    mean = float(np.mean(values))
    return Spread(tuple(values), sd, mean - half, mean + half)


def seed_mean(
    ledgers: Sequence[Predictions],
    *,
    measure: str = "macro_auroc",
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Score, Spread]:
    """Return the mean over seeds with its sampling interval, and the seeds' spread.

    The ledgers hold the same cases; those of ``test`` are judged, where splits are known, and
    measures of decisions take their thresholds from ``validation``.
    """
    tests, prepared = _prepared(ledgers, measure)
    truths_NC, function = known_truths(tests[0]), measure_function(measure, tests[0])

    def mean(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        return np.mean([function(truths_NC, own_NC, weights_RN) for own_NC in prepared], axis=0)

    every = np.ones((1, len(tests[0])))
    values = [float(function(truths_NC, own_NC, every)[0]) for own_NC in prepared]
    found = _scored(measure, mean, tests[0], replicates, confidence, seed)
    return found, spread(values, confidence=confidence)


def seed_difference(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    *,
    measure: str = "macro_auroc",
    replicates: int = 2000,
    permutations: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Score, Comparison, Spread]:
    """Return first − second of the means over seeds, the test that swaps them, and the spread.

    The spread is that of the differences of the two arms' runs of one seed. Both see the same drawn
    patients; a swap exchanges all seeds of a patient at once, so patients are the units of the
    test, however many seeds were trained.
    """
    if len(first) != len(second):
        raise DataError(f"one arm has {len(first)} seeds, the other {len(second)}")
    (tests, mine), (_, theirs) = _prepared(first, measure), _prepared(second, measure)
    pairs = [paired(a, b) for a, b in zip(first, second, strict=True)]
    assert len(pairs) == len(tests)  # pairing refused other cases, labels or truths
    truths_NC, function = known_truths(tests[0]), measure_function(measure, tests[0])

    def by_seed(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "S R"]:
        return np.array(
            [
                function(truths_NC, a_NC, weights_RN) - function(truths_NC, b_NC, weights_RN)
                for a_NC, b_NC in zip(mine, theirs, strict=True)
            ]
        )

    def difference(weights_RN: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R"]:
        return np.mean(by_seed(weights_RN), axis=0)

    seeds = spread(by_seed(np.ones((1, len(tests[0]))))[:, 0].tolist(), confidence=confidence)
    found = _scored(f"{measure}_difference", difference, tests[0], replicates, confidence, seed)
    if measure in OF_RANKS:
        mine, theirs = ([rank_scores(truths_NC, s) for s in own] for own in (mine, theirs))
    twice_2NC = np.concatenate([truths_NC] * 2)
    both = [np.concatenate(pair) for pair in zip(mine, theirs, strict=True)]
    names, cluster_N = np.unique(tests[0].clusters, return_inverse=True)
    rng, at_least, done = np.random.default_rng(seed), 0, 0
    rows = block_rows(2 * len(tests[0]))
    while done < permutations and not np.isnan(found.value):
        size = min(rows, permutations - done)
        kept_RN = rng.integers(0, 2, (size, len(names)))[:, cluster_N].astype(float)
        mine_R2N = np.concatenate([kept_RN, 1 - kept_RN], axis=1)
        swapped_R = np.mean(
            [function(twice_2NC, s, mine_R2N) - function(twice_2NC, s, 1 - mine_R2N) for s in both],
            axis=0,
        )
        at_least += int(np.sum(np.abs(swapped_R) >= abs(found.value) - TOLERANCE))
        done += size
    p_value = nan if np.isnan(found.value) else (1 + at_least) / (1 + permutations)
    tested = Comparison(
        measure,
        "first",
        "second",
        nan,
        nan,
        found.value,
        found.low,
        found.high,
        p_value,
        test=f"paired permutation, {permutations:,} swaps of patients",
        n=found.n,
        clusters=found.clusters,
    )
    return found, tested, seeds


def _prepared(
    ledgers: Sequence[Predictions], measure: str
) -> tuple[list[Predictions], list[Float[np.ndarray, "N C"]]]:
    """Return the test rows in one order of cases, and what the measure takes of each."""
    tests: list[Predictions] = []
    inputs = []
    for ledger in ledgers:
        test = ledger if ledger.splits is None else ledger.split("test")
        test = test.select(np.argsort(test.case_ids))
        if tests:
            paired(tests[0], test)
        cut = None
        if measure in OF_DECISIONS and ledger.task == "multilabel" and ledger.splits is not None:
            cut_C = thresholds_for(test, ledger.split("validation"))
            cut = (cut_C, cut_C)
        tests.append(test)
        inputs.append(measure_inputs(test, test, measure, cut)[0])
    return tests, inputs


def _scored(
    name: str, of: Weighted, test: Predictions, replicates: int, confidence: float, seed: int
) -> Score:
    interval = bootstrap(
        of,
        test.clusters,
        replicates=replicates,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )
    some_N = ~np.isnan(known_truths(test)).all(1)
    return Score(
        name,
        float(of(np.ones((1, len(test))))[0]),
        interval.low,
        interval.high,
        n=int(some_N.sum()),
        protocol=PROTOCOL,
        clusters=len(np.unique(test.clusters[some_N])),
        confidence=confidence,
        redrawn=interval.redrawn,
        note=join(interval.note, PATIENTS_UNKNOWN if test.patient_ids is None else ""),
    )
