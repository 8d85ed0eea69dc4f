"""Tables of text: CSV, TSV and JSONL as columns of named strings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vesalius.core import DataError

SEPARATORS = {".tsv": "\t", ".tab": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
JOINT = "|"  # between the values of a JSON list, as between labels in a cell


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of stripped text, ``""`` where there is none, and the line that each row ends on."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
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


def read_table(path: Path, *, separator: str | None = None) -> Table:
    """Read a table by its suffix: ``.jsonl``, ``.tsv``, or CSV with the separator of its header.

    Raises:
        DataError: the file is missing, broken or has no rows; the message has the line.
    """
    text = read_text(path)
    if path.suffix.lower() in JSON_LINES:
        table = _json_lines(path, text)
    else:
        table = _separated(path, text, separator or _separator(path, text))
    if not len(table):
        raise DataError(f"{path} has no rows")
    return table


def read_text(path: Path) -> str:
    """Return a file's text: UTF-8 with or without a byte-order mark, UTF-16 with one.

    What is neither is read as Windows-1252, which old spreadsheets write.

    Raises:
        DataError: the file is missing or not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise DataError(f"{path} is not a text file in UTF-8 or Windows-1252")


def first_of(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of some file names that is there; none is an error that lists them."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has no {' or '.join(names)}")


def _separator(path: Path, text: str) -> str:
    if path.suffix.lower() in SEPARATORS:
        return SEPARATORS[path.suffix.lower()]
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)  # the first of equals: a comma


def _separated(path: Path, text: str, separator: str) -> Table:
    if len(separator) != 1:
        raise DataError(f"separator {separator!r} is not one character, such as ',' ';' or a tab")
    # not splitlines(), which also parts lines at form feeds and U+2028 inside a report
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    cells: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        named = [i for i, name in enumerate(header) if name]
        for values in reader:
            if not any(value and not value.isspace() for value in values):
                continue
            if len(values) <= max(named, default=0) or any(values[len(header) :]):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(values)} cells under a header of "
                    f"{len(header)} (a quote or separator too many or too few?)"
                )
            cells.append(values)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error} (a quote not closed?)") from None
    names = [header[i] for i in named]
    _refuse_twins(path, names)
    return Table(path, {header[i]: [v[i].strip() for v in cells] for i in named}, lines)


def _refuse_twins(path: Path, names: list[str]) -> None:
    twins = [name for i, name in enumerate(names) if name in names[:i]]
    if twins:
        raise DataError(f"{path} has column {twins[0]!r} twice")


def _json_lines(path: Path, text: str) -> Table:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: a {type(row).__name__}, not an object")
        rows.append(row)
        lines.append(number)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(path, {name: [plain(row.get(name)) for row in rows] for name in names}, lines)


def plain(value: Any) -> str:
    """Return a JSON value as the text of a cell; nothing is ``""``, a list is joined by ``|``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return JOINT.join(plain(item) for item in value)
    return str(value).strip()
