"""Footnotes: every remark on a number is printed once, and a mark leads from the number to it.

A remark goes where it says most with least: below the table where it holds for all of its numbers,
at the head of a row or a column where it holds for all of these, else at the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from string import ascii_lowercase

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Cell, Tile

Place = tuple[int, int]  # row, column


@dataclass(slots=True)
class Footnotes:
    """Letters for texts, in the order in which they are asked for."""

    letters: dict[str, str] = field(default_factory=dict)

    def marks(self, notes: Sequence[str]) -> tuple[str, ...]:
        """Return the letter of each text; a text that was met before keeps its letter."""
        return tuple(self._letter(note) for note in notes if note)

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Return letters with their texts."""
        return [(letter, note) for note, letter in self.letters.items()]

    def _letter(self, note: str) -> str:
        turn, place = divmod(len(self.letters), len(ascii_lowercase))
        return self.letters.setdefault(note, ascii_lowercase[place] + (str(turn) if turn else ""))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where each remark of a table goes."""

    everywhere: tuple[str, ...]
    columns: Mapping[int, list[str]]
    rows: Mapping[int, list[str]]
    cells: Mapping[Place, list[str]]


def remarks(score: Score) -> list[str]:
    """Return a score's remarks one by one: the reason of a missing interval among them.

    >>> remarks(Score("auroc", 0.8, 0.7, 0.9, note="without Hernia; patients unknown"))
    ['without Hernia', 'patients unknown']
    """
    return [part for part in numbers.score(score).note.split("; ") if part]


def placed(rows: Iterable[Sequence[Cell]]) -> Placed:
    """Return where the remarks of a table's scores go.

    >>> noted = Score("auroc", 0.8, 0.7, 0.9, note="patients unknown")
    >>> placed([("probe", noted), ("kNN", noted)]).everywhere
    ('patients unknown',)
    """
    scores = {(i, j): cell for i, cells in enumerate(rows)
              for j, cell in enumerate(cells) if isinstance(cell, Score)}  # fmt: skip
    found: dict[str, set[Place]] = {}
    for place, score in scores.items():
        for remark in remarks(score):
            found.setdefault(remark, set()).add(place)
    everywhere: list[str] = []
    columns: dict[int, list[str]] = {}
    heads: dict[int, list[str]] = {}
    cells: dict[Place, list[str]] = {}
    for remark, places in found.items():
        if len(scores) > 1 and len(places) == len(scores):
            everywhere.append(remark)
        elif _fills(places, scores, axis=0):
            for row in {row for row, _ in places}:
                heads.setdefault(row, []).append(remark)
        elif _fills(places, scores, axis=1):
            for column in {column for _, column in places}:
                columns.setdefault(column, []).append(remark)
        else:
            for place in places:
                cells.setdefault(place, []).append(remark)
    return Placed(tuple(everywhere), columns, heads, cells)


@dataclass(frozen=True, slots=True)
class KeyNotes:
    """The remarks of the key figures: what holds for all, each one's marks, and their texts."""

    notes: list[str]
    marks: list[tuple[str, ...]]
    footnotes: list[tuple[str, str]]


def key_notes(tiles: Sequence[Tile]) -> KeyNotes:
    """Return the remarks of the key figures; one without an interval shows its reason itself."""
    shown = [tile.score if numbers.score(tile.score).interval else None for tile in tiles]
    at = placed([*[None] * i, score] for i, score in enumerate(shown))
    footnotes = Footnotes()
    marks = [footnotes.marks(at.cells.get((i, i), ())) for i in range(len(tiles))]
    return KeyNotes([sentence(remark) for remark in at.everywhere], marks, footnotes.texts)


def sentence(remark: str) -> str:
    """Return a remark as it stands by itself.

    >>> sentence("patients unknown: cases treated as independent")
    'Patients unknown: cases treated as independent.'
    >>> sentence("p = 0.01 by 999 relabellings")
    'p = 0.01 by 999 relabellings.'
    """
    symbol = not remark[1:2].isalpha()  # p = 0.01 stays p
    first = remark[:1] if symbol else remark[:1].upper()
    return f"{first}{remark[1:]}{'' if remark.endswith('.') else '.'}"


def _fills(places: set[Place], scores: Mapping[Place, Score], *, axis: int) -> bool:
    """Say whether the places are whole lines (rows: axis 0, columns: 1) of two or more scores.

    A score without a value has its own reason and does not break a line.
    """
    lines = {place[axis] for place in places}
    inside = {place for place in scores if place[axis] in lines}
    valued = {place for place in inside if isfinite(scores[place].value)}
    return (valued or inside) <= places and len(places) >= 2 * len(lines)
