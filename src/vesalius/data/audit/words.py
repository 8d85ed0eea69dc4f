"""Texts that stand on several patients or in several splits, word for word."""

from __future__ import annotations

from dataclasses import dataclass

from vesalius.core import CaseSet
from vesalius.data.audit.identifiers import masked

LONGEST_SHOWN = 160  # characters


@dataclass(frozen=True, slots=True)
class Reused:
    """A text that several cases have; ``text`` is masked and cut, ``patients`` 0 if not known."""

    text: str
    cases: int
    patients: int
    splits: tuple[str, ...]


def reused_texts(cases: CaseSet) -> tuple[Reused, ...]:
    """Return the texts on more than one patient (or case, without patients) or split.

    Case and blanks do not count as a difference. Most frequent first.
    """
    if cases.texts is None:
        return ()
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(cases.texts):
        if text and text.strip():
            rows_of.setdefault(" ".join(text.casefold().split()), []).append(row)
    found = []
    for rows in rows_of.values():
        if len(rows) < 2:
            continue
        patients = set() if cases.patient_ids is None else set(cases.patient_ids[rows].tolist())
        splits = set() if cases.splits is None else set(cases.splits[rows].tolist()) - {""}
        if len(patients) != 1 or len(splits) > 1:
            text = masked(" ".join(str(cases.texts[rows[0]]).split()))
            cut = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
            found.append(Reused(cut, len(rows), len(patients), tuple(sorted(splits))))
    return tuple(sorted(found, key=lambda own: (-own.cases, own.text)))
