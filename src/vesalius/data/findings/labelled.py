"""Cases whose labels are read from their texts, and the evidence as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.findings.labeller import UNCERTAIN, findings_of, label_reports
from vesalius.data.tables.vocabulary import CHEXPERT

if TYPE_CHECKING:
    from jaxtyping import Float

UNCERTAIN_AS = {"unknown": np.nan, "present": 1.0, "absent": 0.0}
COLUMNS = ("case_id", "finding", "state", "start", "end", "words", "cue", "sentence")


@dataclass(frozen=True, slots=True)
class Count:
    """In how many reports a finding is present, absent, uncertain and not mentioned."""

    finding: str
    present: int
    absent: int
    uncertain: int
    unknown: int


def with_findings(cases: CaseSet, *, uncertain: str = "unknown", progress: bool = False) -> CaseSet:
    """Return the cases with a label for each CheXpert finding, read from their texts.

    A finding that the cases have a label for already is taken as it is. ``uncertain`` says what
    becomes of the doubtful: ``unknown``, ``present`` or ``absent``.

    Raises:
        DataError: the cases have no texts, or exactly one label holds in each of them.
        ChoiceError: an unknown ``uncertain``.
    """
    if uncertain not in UNCERTAIN_AS:
        raise unknown("uncertain", uncertain, UNCERTAIN_AS)
    if cases.task == "multiclass" and cases.label_names:
        raise DataError(
            f"{cases.source or 'cases'}: each case has exactly one of its labels; findings from "
            "texts cannot stand beside them"
        )
    labels_NF = label_reports(texts_of(cases), progress=progress)
    labels_NF[labels_NF == UNCERTAIN] = UNCERTAIN_AS[uncertain]
    new = [place for place, name in enumerate(CHEXPERT) if name not in cases.label_names]
    return replace(
        cases,
        labels_NC=np.concatenate([cases.labels_NC, labels_NF[:, new]], axis=1),
        label_names=(*cases.label_names, *(CHEXPERT[place] for place in new)),
        task="multilabel",
    )


def texts_of(cases: CaseSet) -> list[str | None]:
    """Return the cases' texts; cases without any are refused."""
    if cases.texts is None or not any(cases.texts):
        raise DataError(f"{cases.source or 'cases'}: no case has a text to read findings from")
    return list(cases.texts)


def counts(labels_NF: Float[np.ndarray, "N F"]) -> list[Count]:
    """Count the states of each finding in the labels of :func:`label_reports`.

    >>> counts(label_reports(["Possible pneumonia.", "Clear lungs.", None]))[7]
    Count(finding='Pneumonia', present=0, absent=0, uncertain=1, unknown=2)
    """
    return [
        Count(
            finding=name,
            present=int((column == 1).sum()),
            absent=int((column == 0).sum()),
            uncertain=int((column == UNCERTAIN).sum()),
            unknown=int(np.isnan(column).sum()),
        )
        for name, column in zip(CHEXPERT, labels_NF.T, strict=True)
    ]


def evidence_csv(case_ids: Sequence[str], texts: Sequence[str | None]) -> str:
    """Return a CSV with a row for each mention: what was found, where, and in which sentence.

    >>> print(evidence_csv(["a"], ["No effusion."]).splitlines()[1])
    a,Pleural Effusion,0,3,11,effusion,No,No [effusion].
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(case_ids, texts))
    return out.getvalue()


def _rows(case_ids: Sequence[str], texts: Sequence[str | None]) -> Iterator[tuple[object, ...]]:
    for case_id, text in zip(case_ids, texts, strict=True):
        for m in findings_of(text or ""):
            shown = text[m.start : m.end] if text else ""
            sentence = " ".join(m.marked(text or "").split())
            yield case_id, m.finding, m.state, m.start, m.end, shown, m.cue, sentence
