"""Two methods on the same cases × findings: the paired difference of each measure and its test.

Legend: N rows (case × finding), F findings, G patients, R replicates or swaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np

from vesalius.core.errors import DataError, unknown
from vesalius.evaluation.bootstrap import Interval, block_rows, bootstrap_each
from vesalius.evaluation.case_values import CaseValues, finding_means, rows_of_findings
from vesalius.evaluation.compare import CORRECTIONS
from vesalius.evaluation.comparison import Comparison
from vesalius.evaluation.paired import TOLERANCE
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, join

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def case_differences(
    first: CaseValues,
    second: CaseValues,
    *,
    measure: str,
    correction: Literal["Holm", "Benjamini-Hochberg"] = "Holm",
    permutations: int = 10_000,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Return first − second of a measure: the macro first, then each finding.

    Intervals come from drawing patients, p-values from swapping the two methods within patients at
    random: p = (1 + #{|swapped| ≥ |observed|}) / (1 + permutations), never 0; those of the findings
    are adjusted among themselves. Rows are matched by case and finding; one that is NaN in either
    counts in neither. Identical tables differ by exactly 0 with p = 1.

    Raises:
        DataError: a row is not in both tables, or its patient is not the same.
    """
    if correction not in CORRECTIONS:
        raise unknown("correction", correction, CORRECTIONS)
    second = _in_order_of(first, second)
    values_2N = np.stack([first.column(measure), second.column(measure)])
    known_N = ~np.isnan(values_2N).any(0)
    there_NF = rows_of_findings(first)[:, first.measures.index(measure)] & known_N[:, None]
    values_2N = np.where(known_N, values_2N, 0.0)
    differences = finding_means(values_2N[0] - values_2N[1], there_NF)
    intervals = bootstrap_each(
        differences,
        first.clusters,
        replicates=replicates,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )
    empty = Comparison(
        measure,
        first.method or "first",
        second.method or "second",
        *(nan, nan, nan),
        test=f"paired permutation, {permutations:,} swaps of patients",
        confidence=confidence,
        note=PATIENTS_UNKNOWN if first.patient_ids is None else "",
    )
    macro, *found = _filled(empty, first, there_NF, values_2N, intervals)
    rng = np.random.default_rng(seed)
    p_macro, *p_F = _swapped(values_2N[0] - values_2N[1], there_NF, first, permutations, rng)
    adjusted = zip(found, p_F, CORRECTIONS[correction](p_F), strict=True)
    return [
        replace(macro, measure=f"macro_{measure}", p_value=float(p_macro)),
        *(
            replace(one, p_value=float(p), p_adjusted=float(more), correction=correction)
            for one, p, more in adjusted
        ),
    ]


def _filled(
    empty: Comparison,
    table: CaseValues,
    there_NF: Bool[np.ndarray, "N F"],
    values_2N: Float[np.ndarray, "2 N"],
    intervals: Sequence[Interval],
) -> list[Comparison]:
    """Return the comparison of all findings and of each, with values and interval."""
    every = np.ones((1, len(table)))
    firsts, seconds, points = (
        finding_means(own_N, there_NF)(every)[0]
        for own_N in (*values_2N, values_2N[0] - values_2N[1])
    )
    labels, rows = ["", *table.finding_names], [there_NF.any(1), *there_NF.T]
    return [
        replace(
            empty,
            first_value=float(mine),
            second_value=float(theirs),
            difference=float(point),
            low=interval.low,
            high=interval.high,
            label=label,
            n=len(np.unique(table.case_ids[row_N])),
            clusters=len(np.unique(table.clusters[row_N])),
            note=join(interval.note, empty.note),
        )
        for mine, theirs, point, interval, label, row_N in zip(
            firsts, seconds, points, intervals, labels, rows, strict=True
        )
    ]


def _swapped(
    difference_N: Float[np.ndarray, "N"],
    there_NF: Bool[np.ndarray, "N F"],
    table: CaseValues,
    permutations: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "F1"]:
    """Return the p-values of the macro and of each finding, from the same swaps of patients.

    A mean difference is a sum over patients, and a swap turns the sign of a patient's part.
    """
    counts_F = there_NF.sum(0)
    some_F = counts_F > 0
    if not some_F.any():
        return np.full(1 + len(counts_F), nan)
    parts_NF = difference_N[:, None] * there_NF / np.maximum(counts_F, 1)
    parts_N1 = parts_NF.sum(1, keepdims=True) / some_F.sum()
    names, patient_N = np.unique(table.clusters, return_inverse=True)
    parts_GC = np.zeros((len(names), 1 + len(counts_F)))
    np.add.at(parts_GC, patient_N, np.column_stack([parts_N1, parts_NF]))
    reached_C = np.abs(parts_GC.sum(0)) - TOLERANCE
    at_least_C, done, rows = np.zeros(len(reached_C), np.int64), 0, block_rows(len(names))
    while done < permutations:
        size = min(rows, permutations - done)
        sign_RG = 1.0 - 2.0 * rng.integers(0, 2, (size, len(names)))
        at_least_C += (np.abs(sign_RG @ parts_GC) >= reached_C).sum(0)
        done += size
    p_C = (1 + at_least_C) / (1 + permutations)
    return np.where(np.append(True, some_F), p_C, nan)


def _in_order_of(first: CaseValues, second: CaseValues) -> CaseValues:
    """Return the second table with its rows in the order of the first."""
    place = {key: row for row, key in enumerate(second.keys)}
    odd = sorted(set(first.keys) ^ set(place))
    if odd:
        lacking = "first" if odd[0] in place else "second"
        raise DataError(
            f"comparison: {len(odd)} rows are not in both tables, first case {odd[0][0]!r} with "
            f"finding {odd[0][1]!r}, which the {lacking} lacks; score both on the same cases"
        )
    rows = np.array([place[key] for key in first.keys], dtype=np.intp)
    differ_N = first.clusters != second.clusters[rows]
    if differ_N.any():
        row = int(np.argmax(differ_N))
        mine, theirs = str(first.clusters[row]), str(second.clusters[rows[row]])
        raise DataError(
            f"comparison: case {first.keys[row][0]!r} is of patient {mine!r} in the first table "
            f"and of {theirs!r} in the second"
        )
    return replace(
        second,
        values_NK=second.values_NK[rows],
        case_ids=second.case_ids[rows],
        findings=second.findings[rows],
        patient_ids=None if second.patient_ids is None else second.patient_ids[rows],
    )
