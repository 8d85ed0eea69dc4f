"""One model against another on the same cases, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np

from vesalius.core.errors import DataError
from vesalius.core.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference first − second of a measure, with its interval and p-value.

    ``p_adjusted`` is the p-value among its family (``correction`` names the method), NaN where it
    stands alone. ``test`` names the test.
    """

    measure: str
    first: str
    second: str
    first_value: float
    second_value: float
    difference: float
    low: float = nan
    high: float = nan
    p_value: float = nan
    p_adjusted: float = nan
    correction: str = ""
    test: str = ""
    label: str = ""
    n: int = 0
    clusters: int = 0
    confidence: float = 0.95
    note: str = ""

    def __str__(self) -> str:
        """Print the comparison as one sentence.

        >>> print(Comparison("auroc", "probe", "knn", 0.84, 0.81, 0.03, 0.01, 0.05, 0.004,
        ...                  n=412, label="Edema", test="DeLong"))
        auroc Edema: probe 0.840 - knn 0.810 = +0.030 [+0.010, +0.050], p = 0.004 (DeLong, n=412)
        """
        name = f"{self.measure} {self.label}".strip()
        interval = f"[{self.low:+.3f}, {self.high:+.3f}]"
        if isnan(self.low) or isnan(self.high):
            interval = "[no interval]"
        p = f"p {_p(self.p_value)}" if not isnan(self.p_value) else "no p-value"
        if not isnan(self.p_adjusted):
            p += f" ({self.correction} {_p(self.p_adjusted)})"
        rests_on = ", ".join(part for part in (self.test, f"n={self.n}") if part)
        return (
            f"{name}: {self.first} {self.first_value:.3f} - {self.second} {self.second_value:.3f} "
            f"= {self.difference:+.3f} {interval}, {p} ({rests_on})"
            + (f"; {self.note}" if self.note else "")
        )


def paired(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Return both ledgers with the same cases and labels in the same order.

    A score that either lacks counts in neither. Raises DataError where the cases, labels, tasks or
    truths differ.
    """
    if first.task != second.task:
        raise DataError(f"comparison: one task is {first.task!r}, the other {second.task!r}")
    for kind, mine, theirs in (
        ("label", np.asarray(first.label_names), np.asarray(second.label_names)),
        ("case", first.case_ids, second.case_ids),
    ):
        odd = np.setxor1d(mine, theirs)
        if odd.size:
            where = "second" if odd[0] in mine else "first"
            raise DataError(
                f"comparison: {odd.size} {kind}s are not in both, first {str(odd[0])!r}, which "
                f"the {where} lacks; compare on shared {kind}s only"
            )
        if len(mine) != len(theirs) or len(np.unique(mine)) != len(mine):
            raise DataError(f"comparison: a {kind} occurs twice in one ledger")
    columns = [second.label_names.index(name) for name in first.label_names]
    sorted_rows = np.argsort(second.case_ids)
    rows = sorted_rows[np.searchsorted(second.case_ids, first.case_ids, sorter=sorted_rows)]
    other = second.select(rows)
    other = replace(
        other,
        label_names=first.label_names,
        scores_NC=other.scores_NC[:, columns],
        truths_NC=other.truths_NC[:, columns],
    )
    same_NC = (first.truths_NC == other.truths_NC) | (
        np.isnan(first.truths_NC) & np.isnan(other.truths_NC)
    )
    if not same_NC.all():
        i, c = np.argwhere(~same_NC)[0]
        raise DataError(
            f"comparison: the truth of case {str(first.case_ids[i])!r}, label "
            f"{first.label_names[c]!r} is {first.truths_NC[i, c]} in the first ledger and "
            f"{other.truths_NC[i, c]} in the second"
        )
    missing_NC = np.isnan(first.scores_NC) | np.isnan(other.scores_NC)
    return (
        replace(first, scores_NC=np.where(missing_NC, nan, first.scores_NC)),
        replace(other, scores_NC=np.where(missing_NC, nan, other.scores_NC)),
    )


def model_names(first: Predictions, second: Predictions) -> tuple[str, str]:
    """Return what the two are called, told apart by run or seed where the method is the same."""
    names = first.method or "first", second.method or "second"
    if names[0] != names[1]:
        return names
    for mark in ("run", "seed"):
        marks = getattr(first, mark), getattr(second, mark)
        if marks[0] != marks[1]:
            return f"{names[0]} ({mark} {marks[0]})", f"{names[1]} ({mark} {marks[1]})"
    return f"{names[0]} (first)", f"{names[1]} (second)"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}"
