"""Tables of text: CSV, TSV and JSONL as columns of named strings."""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError
from vesalius.data.tables.text_file import open_text, read_text

__all__ = [
    "JOINT",
    "JSON_LINES",
    "Table",
    "first_of",
    "plain",
    "read_table",
    "read_text",
    "text_column",
]

SEPARATORS = {".tsv": "\t", ".tab": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
ROWS_AT_ONCE = 4096  # rows that lie in memory as lists before they join their columns
LONGEST_WORD = 64  # letters
JOINT = "|"  # between the values of a JSON list, as between labels in a cell


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of stripped text, ``""`` where there is none, and the line that each row ends on."""

    path: Path
    columns: dict[str, list[str]]
    lines: Sequence[int]
    unit: str = "line"  # what is counted in ``lines``

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> list[str]:
        if name not in self.columns:
            near = get_close_matches(name, self.columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise DataError(
                f"{self.path} has no column {name!r}{hint} it has {', '.join(self.columns)}"
            )
        return self.columns[name]

    def place(self, row: int) -> str:
        """Return where a row stands, for an error: the file and the line."""
        return f"{self.path}, {self.unit} {self.lines[row]}"


def read_table(
    path: Path, *, separator: str | None = None, columns: Collection[str] | None = None
) -> Table:
    """Read a table by its suffix: ``.jsonl``, ``.tsv``, or CSV with the separator of its header.

    Each may be gzipped (``.csv.gz``). The rows are read one after another into the columns, so
    that a table of a million rows needs little more than what it holds.

    Args:
        separator: of the cells, where the suffix and the header do not tell.
        columns: keep only these, of those that are there.

    Raises:
        DataError: the file is missing, broken or has no rows; the message has the line.
    """
    suffix = _suffix(path)
    with open_text(path) as opened:
        if suffix in JSON_LINES:
            table = _json_lines(path, opened, columns)
        else:
            header = opened.readline()
            opened.seek(0)
            table = _separated(path, opened, separator or _separator(suffix, header), columns)
    if not len(table):
        raise DataError(f"{path} has no rows")
    return table


def text_column(cells: Sequence[str]) -> NDArray[Any]:
    """Return cells as an array of words, or of objects where they are as long as sentences.

    An array of words has the width of its longest: one report among a million codes would cost
    gigabytes.
    """
    longest = max(map(len, cells), default=0)
    return np.array(cells, dtype=np.str_ if longest <= LONGEST_WORD else object)


def first_of(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of some file names that is there; none is an error that lists them."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has no {' or '.join(names)}")


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _separator(suffix: str, header: str) -> str:
    if suffix in SEPARATORS:
        return SEPARATORS[suffix]
    return max(",;\t", key=header.count)  # the first of equals: a comma


def _separated(path: Path, opened: TextIO, separator: str, wanted: Collection[str] | None) -> Table:
    if len(separator) != 1:
        raise DataError(f"separator {separator!r} is not one character, such as ',' ';' or a tab")
    reader = csv.reader(opened, delimiter=separator, strict=True)
    lines = array("q")
    try:
        header = [name.strip() for name in next(reader, [])]
        named = [i for i, name in enumerate(header) if name]
        _refuse_twins(path, [header[i] for i in named])
        kept: dict[int, list[str]] = {i: [] for i in named if wanted is None or header[i] in wanted}
        rows = _rows(path, reader, header, lines)
        while several := list(islice(rows, ROWS_AT_ONCE)):
            for i, cells in kept.items():
                cells.extend([values[i].strip() for values in several])
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error} (a quote not closed?)") from None
    return Table(path, {header[i]: cells for i, cells in kept.items()}, lines)


def _rows(path: Path, reader: Any, header: list[str], lines: array[int]) -> Iterator[list[str]]:
    """Give the rows that are not blank, and note the line that each ends on."""
    width = len(header)
    needed = max((i for i, name in enumerate(header) if name), default=0)
    for values in reader:
        if not any(map(str.strip, values)):
            continue
        if len(values) <= needed or (len(values) > width and any(values[width:])):
            raise DataError(
                f"{path}, line {reader.line_num}: {len(values)} cells under a header of "
                f"{width} (a quote or separator too many or too few?)"
            )
        lines.append(reader.line_num)
        yield values


def _refuse_twins(path: Path, names: list[str]) -> None:
    twins = [name for i, name in enumerate(names) if name in names[:i]]
    if twins:
        raise DataError(f"{path} has column {twins[0]!r} twice")


def _json_lines(path: Path, opened: TextIO, wanted: Collection[str] | None) -> Table:
    columns: dict[str, list[str]] = {}
    lines = array("q")
    for number, line in enumerate(opened, 1):
        if not line or line.isspace():
            continue
        for name, value in _json_row(path, number, line).items():
            if wanted is None or name in wanted:
                columns.setdefault(name, [""] * len(lines)).append(plain(value))
        lines.append(number)
        for cells in columns.values():
            if len(cells) < len(lines):
                cells.append("")
    return Table(path, columns, lines)


def _json_row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: a {type(row).__name__}, not an object")
    return row


def plain(value: Any) -> str:
    """Return a value as the text of a cell; lists are joined by ``|``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return JOINT.join(plain(item) for item in value)
    return str(value).strip()
