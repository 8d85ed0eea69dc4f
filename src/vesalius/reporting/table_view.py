"""A Table, worked out for the template: printed cells, footnotes, and marks on a common axis."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Cell, Column, Row, Table
from vesalius.reporting.footnotes import Footnotes, placed, sentence

MARK_WIDTH = 80  # CSS pixels, and the units of the marks' own coordinates
NUMBER = re.compile(r"[<>≤≥≈±+−-]?\s*\d|–$")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value and its interval lie on the column's axis, 0 to ``MARK_WIDTH``."""

    value: float
    low: float | None
    high: float | None
    chance: float | None


@dataclass(frozen=True, slots=True)
class CellView:
    """``kind`` is ``text``, ``number`` or ``score``; ``footnotes`` are letters."""

    kind: str
    value: str
    interval: str = ""
    footnotes: tuple[str, ...] = ()
    title: str = ""
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class RowView:
    head: CellView
    cells: list[CellView]
    kind: str
    footnotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    caption: str
    groups: list[tuple[str, int]]
    columns: list[Column]
    column_footnotes: list[tuple[str, ...]]
    numeric: list[bool]
    rows: list[RowView]
    footnotes: list[tuple[str, str]]
    notes: list[str]


def table_view(table: Table) -> TableView:
    """Return what the template prints of a table."""
    columns = [Column(c) if isinstance(c, str) else c for c in table.columns]
    rows = [row if isinstance(row, Row) else Row(row) for row in table.rows]
    rows = [row for row in rows if columns]
    padded = [[*row.cells, *[None] * len(columns)][: len(columns)] for row in rows]
    axes = _axes(columns, rows)
    at = placed(padded)
    footnotes = Footnotes()
    heads = [footnotes.marks(at.columns.get(j, ())) for j in range(len(columns))]
    views = []
    for i, (row, cells) in enumerate(zip(rows, padded, strict=True)):
        of_row = footnotes.marks([row.note, *at.rows.get(i, ())])
        shown = [
            _cell(cell, column, axes.get(_axis_name(column)),
                  footnotes.marks(at.cells.get((i, j), ())))
            for j, (cell, column) in enumerate(zip(cells, columns, strict=True))
        ]  # fmt: skip
        views.append(RowView(shown[0], shown[1:], row.kind, of_row))
    return TableView(
        caption=table.caption,
        groups=_groups(columns) if any(column.group for column in columns) else [],
        columns=columns,
        column_footnotes=heads,
        numeric=[i > 0 and _is_numeric(i, rows) for i in range(len(columns))],
        rows=views,
        footnotes=footnotes.texts,
        notes=[*table.notes, *(sentence(remark) for remark in at.everywhere)],
    )


def _cell(
    cell: Cell,
    column: Column,
    axis: tuple[float, float] | None,
    footnotes: tuple[str, ...],
) -> CellView:
    if cell is None:
        return CellView("number", "–")
    if isinstance(cell, Score):
        printed = numbers.score(cell, digits=column.digits, percent=column.percent)
        mark = _mark(cell, axis, column.chance) if column.marks else None
        return CellView("score", printed.value, printed.interval, footnotes, _title(cell), mark)
    if isinstance(cell, str):
        return CellView("text", cell)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return CellView("number", f"{cell:,}")
    shown = numbers.number(float(cell), digits=column.digits, percent=column.percent)
    return CellView("number", shown)


def _title(score: Score) -> str:
    """Say what stands behind a number: cases, patients, protocol."""
    parts = [f"n = {score.n:,}" if score.n else ""]
    parts.append(f"{score.positives:,} positive" if score.positives is not None else "")
    parts.append(f"{score.clusters:,} independent units" if score.clusters else "")
    parts.append(score.protocol)
    parts.append(f"{score.redrawn:,} replicates redrawn" if score.redrawn else "")
    return "; ".join(part for part in parts if part)


def _axis_name(column: Column) -> str:
    return column.group or column.name


def _axes(columns: Sequence[Column], rows: Sequence[Row]) -> Mapping[str, tuple[float, float]]:
    """Return the range that the marks of a column, or of a group of columns, share."""
    ends: dict[str, list[float]] = {}
    for column_index, column in enumerate(columns):
        if not column.marks:
            continue
        found = ends.setdefault(_axis_name(column), [])
        for row in rows:
            cell = row.cells[column_index] if column_index < len(row.cells) else None
            if isinstance(cell, Score):
                found += [cell.value, cell.low, cell.high]
        if column.chance is not None and any(isfinite(v) for v in found):
            found.append(column.chance)
    finite = {name: [v for v in values if isfinite(v)] for name, values in ends.items()}
    return {name: (min(v), max(v)) for name, v in finite.items() if v and max(v) > min(v)}


def _mark(score: Score, axis: tuple[float, float] | None, chance: float | None) -> Mark | None:
    if axis is None or not isfinite(score.value):
        return None
    start, end = axis

    def place(value: float) -> float:
        return round(4 + (MARK_WIDTH - 8) * (value - start) / (end - start), 1)

    whole = isfinite(score.low) and isfinite(score.high)
    return Mark(
        place(score.value),
        place(score.low) if whole else None,
        place(score.high) if whole else None,
        None if chance is None else place(chance),
    )


def _groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups


def _is_numeric(index: int, rows: Sequence[Row]) -> bool:
    cells = [row.cells[index] for row in rows if index < len(row.cells)]
    known = [cell for cell in cells if cell is not None]
    return all(not isinstance(cell, str) or NUMBER.match(cell) for cell in known)
