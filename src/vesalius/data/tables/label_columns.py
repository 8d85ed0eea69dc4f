"""Labels from a table: columns of states, or one column of categories. By name, never by place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import DataError, unknown
from vesalius.data.tables.table import JOINT, Table

if TYPE_CHECKING:
    from jaxtyping import Float

PRESENT, ABSENT, UNKNOWN, MAYBE = 1.0, 0.0, float("nan"), -1.0
STATES = {
    "1": PRESENT, "1.0": PRESENT, "true": PRESENT, "0": ABSENT, "0.0": ABSENT, "false": ABSENT,
    "": UNKNOWN, "nan": UNKNOWN, "-1": MAYBE, "-1.0": MAYBE,
}  # fmt: skip
FEW_CATEGORIES = 20  # so many are never too many, however few the rows
UNCERTAIN = {"ignore": UNKNOWN, "ones": PRESENT, "zeros": ABSENT}
BLANK = {"unknown": UNKNOWN, "zeros": ABSENT}


@dataclass(frozen=True, slots=True)
class Labels:
    """Label names, their states (1, 0, NaN for unknown), the task, the columns they came from."""

    names: tuple[str, ...]
    states_NC: Float[np.ndarray, "N C"]
    task: str
    columns: tuple[str, ...]


def read_labels(
    table: Table,
    labels: str | Sequence[str] | None,
    *,
    taken: Collection[str] = (),
    uncertain: str = "ignore",
    blank: str = "unknown",
) -> Labels:
    """Read the named label columns, or every column not taken that holds nothing but states.

    Args:
        labels: label columns of states, or one column of categories.
        taken: columns that are something else.
        uncertain: what −1 becomes, one of ``UNCERTAIN``.
        blank: what a blank cell becomes, one of ``BLANK``.

    Raises:
        DataError: a column is not there, or a cell is no state; the message has its line.
        ChoiceError: there is no such policy.
    """
    if uncertain not in UNCERTAIN:
        raise unknown("uncertain", uncertain, UNCERTAIN)
    if blank not in BLANK:
        raise unknown("blank", blank, BLANK)
    if isinstance(labels, str):
        if not _only_states(table[labels]):
            return _categories(table, labels)
        labels = [labels]
    if labels is None:
        free = [name for name in table.columns if name not in taken]
        labels = [name for name in free if any(table[name]) and _only_states(table[name])]
    states_NC = np.zeros((len(table), len(labels)))
    for i, name in enumerate(labels):
        states_NC[:, i] = _states(table, name)
    states_NC[np.isnan(states_NC)] = BLANK[blank]
    states_NC[states_NC == MAYBE] = UNCERTAIN[uncertain]
    return Labels(tuple(labels), states_NC, "multilabel", tuple(labels))


def _only_states(cells: Sequence[str]) -> bool:
    return {cell.lower() for cell in set(cells)} <= STATES.keys()


def _states(table: Table, name: str) -> list[float]:
    cells = table[name]
    try:
        return [STATES[cell.lower()] for cell in cells]
    except KeyError:
        row = next(i for i, cell in enumerate(cells) if cell.lower() not in STATES)
        raise DataError(
            f"{table.place(row)}: label {name!r} is {cells[row]!r}; choose one of 1 or true "
            "(present), 0 or false (absent), -1 (uncertain), blank (unknown)"
        ) from None


def _categories(table: Table, column: str) -> Labels:
    """Return one label a category; a blank cell is unknown in all of them."""
    cells = table[column]
    parts = [[part for p in cell.split(JOINT) if (part := p.strip())] for cell in cells]
    names = tuple(sorted({name for own in parts for name in own}))
    told = sum(map(bool, parts))
    if len(names) > max(FEW_CATEGORIES, told / 2) and all(len(own) < 2 for own in parts):
        raise DataError(
            f"{table.path}: column {column!r} has {len(names):,} different values in {told:,} "
            f"rows, the first is {names[0]!r}: a text or a name, not categories; name another "
            f"column with labels=… (a text is named by text={column})"
        )
    place = {name: i for i, name in enumerate(names)}
    states_NC = np.zeros((len(cells), len(names)))
    for row, own in enumerate(parts):
        states_NC[row, [place[name] for name in own]] = PRESENT
        if not own:
            states_NC[row] = UNKNOWN
    several = any(len(own) > 1 for own in parts)
    return Labels(names, states_NC, "multilabel" if several else "multiclass", (column,))
