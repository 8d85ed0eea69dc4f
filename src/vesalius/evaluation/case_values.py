"""Measures taken case by case, and what they come to over patients: per finding and macro.

The table has a row for each case × finding; a finding's score is the mean of its rows, the macro
score the mean of the findings' means. Localisation, segmentation and faithfulness all end here.

Legend: N rows (case × finding), K measures, F findings, R replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.core.rows import check_ids, check_lengths
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import Interval, WeightedMeasure, bootstrap_each
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, join, macro_note
from vesalius.evaluation.ranking import ratio

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


class Row(Protocol):
    """What a row of the table is named by; ``patient_id`` None: the patient is not known."""

    @property
    def case_id(self) -> str: ...
    @property
    def finding(self) -> str: ...
    @property
    def patient_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class CaseValues:
    """One row for each case × finding, one column for each measure; NaN where there is none.

    ``left_out`` counts for each finding the cases without a reference, which have no row.
    ``notes`` says of a (measure, finding) what a reader must know (a threshold, …); the finding
    ``""`` stands for all. ``patient_ids`` None: patients are not known.
    """

    values_NK: Float[np.ndarray, "N K"]
    measures: tuple[str, ...]
    case_ids: NDArray[np.str_]
    findings: NDArray[np.str_]
    patient_ids: NDArray[np.str_] | None = None
    method: str = ""
    protocol: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        of = f"values of {self.method!r}" if self.method else "values"
        check_ids(self.case_ids, of=of)
        shape = (len(self.case_ids), len(self.measures))
        if self.values_NK.shape != shape:
            raise DataError(f"{of}: values_NK has shape {self.values_NK.shape}, not {shape}")
        columns = {"findings": self.findings, "patient_ids": self.patient_ids}
        check_lengths(columns, len(self), of=of)
        seen: set[tuple[str, str]] = set()
        for key in self.keys:
            if key in seen:
                raise DataError(f"{of}: case {key[0]!r} occurs twice with finding {key[1]!r}")
            seen.add(key)

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The case and finding of each row."""
        return list(zip(self.case_ids.tolist(), self.findings.tolist(), strict=True))

    @property
    def clusters(self) -> NDArray[np.str_]:
        """The unit that is drawn in a bootstrap: the patient, or the case where none is known."""
        return self.case_ids if self.patient_ids is None else self.patient_ids

    @property
    def finding_names(self) -> tuple[str, ...]:
        """The findings in order of appearance, then those that no row is left of."""
        return tuple(dict.fromkeys([*self.findings.tolist(), *self.left_out]))

    def column(self, measure: str) -> Float[np.ndarray, "N"]:
        """Return one measure of all rows; ChoiceError where there is none such."""
        if measure not in self.measures:
            raise unknown("measure", measure, self.measures)
        return self.values_NK[:, self.measures.index(measure)]


def tabulated(
    rows: Sequence[Row],
    values: Sequence[Sequence[float]],
    measures: tuple[str, ...],
    *,
    method: str,
    protocol: str,
    left_out: Mapping[str, int],
    notes: Mapping[tuple[str, str], str],
) -> CaseValues:
    """Return the table of measured rows; DataError where patients are known of some rows only."""
    known = sum(row.patient_id is not None for row in rows)
    if known not in (0, len(rows)):
        raise DataError(f"patients are known of {known} of {len(rows)} rows: all or none")
    return CaseValues(
        np.array(values, dtype=np.float64).reshape(-1, len(measures)),
        measures,
        np.array([row.case_id for row in rows], dtype=np.str_),
        np.array([row.finding for row in rows], dtype=np.str_),
        np.array([row.patient_id for row in rows], dtype=np.str_) if known else None,
        method,
        protocol,
        dict(left_out),
        dict(notes),
    )


def case_scores(
    table: CaseValues, *, replicates: int = 2000, confidence: float = 0.95, seed: int = 0
) -> list[Score]:
    """Return for each measure ``macro_<measure>``, then one score a finding.

    Intervals are percentile ones over patients drawn as a whole; a replicate that misses a finding
    is drawn anew (for the macro and for that finding). Rows that are NaN in a measure do not count
    in it; a finding without any has the value NaN, and its note says how many cases it lacks.

    >>> table = CaseValues(np.array([[1.0], [0.0], [1.0], [1.0]]), ("pointing_game",),
    ...                    np.array(list("abcd")), np.array(["Mass"] * 4), np.array(list("ppqr")))
    >>> print(*case_scores(table, replicates=200), sep="\\n")
    macro_pointing_game 0.750 [0.500, 1.000] (n=4)
    pointing_game Mass 0.750 [0.500, 1.000] (n=4)
    """
    there_NKF = rows_of_findings(table)
    scores = []
    for k, measure in enumerate(table.measures):
        there_NF = there_NKF[:, k]
        means = finding_means(np.nan_to_num(table.values_NK[:, k]), there_NF)
        intervals = bootstrap_each(
            means,
            table.clusters,
            replicates=replicates,
            confidence=confidence,
            rng=np.random.default_rng(seed),
        )
        values = means(np.ones((1, len(table))))[0].tolist()
        labels, rows = ["", *table.finding_names], [there_NF.any(1), *there_NF.T]
        for value, interval, label, row_N in zip(values, intervals, labels, rows, strict=True):
            remark = (
                _note(table, measure, label) if label else _macro_note(table, measure, there_NF)
            )
            one = _score(table, interval, row_N, remark)
            name = measure if label else f"macro_{measure}"
            scores.append(replace(one, name=name, label=label, value=value, confidence=confidence))
    return scores


def _score(
    table: CaseValues, interval: Interval, row_N: Bool[np.ndarray, "N"], remark: str
) -> Score:
    """Return a score without its name and value, which rests on the given rows."""
    return Score(
        "",
        nan,
        interval.low,
        interval.high,
        n=len(np.unique(table.case_ids[row_N])),
        protocol=table.protocol,
        clusters=len(np.unique(table.clusters[row_N])),
        redrawn=interval.redrawn,
        note=join(interval.note, remark, PATIENTS_UNKNOWN if table.patient_ids is None else ""),
    )


def rows_of_findings(table: CaseValues) -> Bool[np.ndarray, "N K F"]:
    """Return which rows count in which measure of which finding."""
    own_NF = table.findings[:, None] == np.array(table.finding_names, dtype=np.str_)[None, :]
    return own_NF[:, None, :] & ~np.isnan(table.values_NK)[:, :, None]


def finding_means(
    value_N: Float[np.ndarray, "N"], there_NF: Bool[np.ndarray, "N F"]
) -> WeightedMeasure:
    """Return the function from case weights to (macro, mean of each finding), ``values_R(1+F)``.

    The macro is the mean over the findings that have a row; NaN where a replicate misses one.
    """
    some_F = there_NF.any(0)
    present_NF = there_NF.astype(np.float64)
    own_NF = value_N[:, None] * present_NF

    def means(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        mean_RF = ratio(weights_RN @ own_NF, weights_RN @ present_NF)
        macro_R = mean_RF[:, some_F].mean(1) if some_F.any() else np.full(len(mean_RF), nan)
        return np.column_stack([macro_R, mean_RF])

    return means


def _note(table: CaseValues, measure: str, finding: str) -> str:
    without = table.left_out.get(finding, 0)
    return join(
        f"{without} cases without a reference left out" if without else "",
        table.notes.get((measure, finding), ""),
    )


def _macro_note(table: CaseValues, measure: str, there_NF: Bool[np.ndarray, "N F"]) -> str:
    lacks = ["" if own_N.any() else "no case" for own_N in there_NF.T]
    return join(macro_note(table.finding_names, lacks), table.notes.get((measure, ""), ""))
