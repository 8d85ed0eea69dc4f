"""How the columns of a table were read, and what was perhaps meant: said before anything is learnt.

A column that is not what it seems (labels with one ``yes`` among the 1 and 0, reports under a name
of their own) is read as an attribute; here it is named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vesalius.data.images import SUFFIXES
from vesalius.data.tables.label_columns import STATES
from vesalius.data.tables.table import Table

YES_OR_NO = {"yes", "no", "y", "n", "positive", "negative", "pos", "neg", "present", "absent"}
BLANK = ("", "nan")
SEEN = 1000  # rows that a guess looks at
MOST_CATEGORIES = 50
PATIENT = re.compile(r"patient|subject|\bpid\b|\bmrn\b", re.IGNORECASE)
WORDS_OF_TEXT = 4  # more than this many words a cell, as a median, are a text


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """Role → its columns, and hints at what else the table may hold."""

    roles: Mapping[str, tuple[str, ...]]
    hints: tuple[str, ...] = ()


def report(table: Table, roles: Mapping[str, tuple[str, ...]]) -> ColumnReport:
    """Return the roles with a hint for each attribute that is nearly labels, or a text."""
    attributes = roles.get("attribute", ())
    hints = near_labels(table, attributes)
    if not roles.get("text"):
        texts = [f"text={name}" for name in attributes if _is_text(table[name])]
        hints += [f"no column is read as text; perhaps {' or '.join(texts)}"] if texts else []
    patients = [name for name in attributes if PATIENT.search(name)]
    if patients and not roles.get("patient_id"):
        hints.append(f"patients are unknown; perhaps patient_id={patients[0]}")
    if not roles.get("label"):
        others = [name for name in attributes if name not in patients]
        organs = [f"labels={name}" for name in others if _is_category(table[name])]
        hints += [f"no column is read as labels; perhaps {' or '.join(organs)}"] if organs else []
    return ColumnReport(roles, tuple(hints))


def near_labels(table: Table, names: Collection[str]) -> list[str]:
    """Say of each column that would be labels but for some values which the first of those is."""
    hints = []
    for name in names:
        counts = Counter(table[name])  # a table has millions of cells and few different ones
        states = {cell for cell in counts if cell.lower() in STATES}
        others = counts.keys() - states
        known = sum(counts[cell] for cell in states if cell.lower() not in BLANK)
        nearly = known >= sum(counts[cell] for cell in others)
        answers = {cell.lower() for cell in others} <= YES_OR_NO
        if others and (nearly or answers) and not any(map(_is_number, others)):
            row = next(i for i, cell in enumerate(table[name]) if cell in others)
            hints.append(
                f"column {name!r} is not read as a label: {table.place(row)} is "
                f"{table[name][row]!r}, and labels are 1, 0, true, false, -1 or blank"
            )
    return hints


def image_columns(table: Table) -> list[str]:
    """Return the columns that look like paths of images."""

    def holds_paths(name: str) -> bool:
        cells = [cell.lower() for cell in table[name][:SEEN] if cell]
        return bool(cells) and 2 * sum(cell.endswith(SUFFIXES) for cell in cells) > len(cells)

    return [name for name in table.columns if holds_paths(name)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_text(cells: Sequence[str]) -> bool:
    told = [len(cell.split()) for cell in cells[:SEEN] if cell]
    return bool(told) and sorted(told)[len(told) // 2] > WORDS_OF_TEXT


def _is_category(cells: Sequence[str]) -> bool:
    told = [cell for cell in cells[:SEEN] if cell and not _is_number(cell)]
    return 1 < len(set(told)) <= min(MOST_CATEGORIES, len(told) // 2)
