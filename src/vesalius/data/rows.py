"""Tables of text: CSV, TSV and JSONL as rows of named strings."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vesalius.core import DataError

LARGEST_FIELD = 10_000_000  # characters; a report is shorter, a broken quote is not


def read_rows(path: Path, required: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a table, every value as stripped text, ``""`` where there is none.

    UTF-8 (with or without a byte-order mark); files that are not are read as Windows-1252, which
    old spreadsheets write.

    Raises:
        DataError: the file is missing, broken, empty or lacks a required column.
    """
    text = _text(path)
    rows = _jsonl(path, text) if path.suffix in (".jsonl", ".ndjson") else _csv(path, text)
    if not rows:
        raise DataError(f"{path} has no rows")
    for column in required:
        if column not in rows[0]:
            raise DataError(
                f"{path} has no column {column!r}; it has {', '.join(map(repr, rows[0]))}"
            )
    return rows


def only(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of some file names that is there; none is an error that lists them."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has no {' or '.join(names)}")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if b"\x00" in raw[:4096]:
        raise DataError(f"{path} is not a text file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _csv(path: Path, text: str) -> list[dict[str, str]]:
    separator = "\t" if path.suffix in (".tsv", ".txt") else ","
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator)
    try:
        head = [name.strip() for name in next(reader, [])]
        named = [i for i, name in enumerate(head) if name]
        if len({head[i] for i in named}) != len(named):
            raise DataError(f"{path} has a column twice: {', '.join(head)}")
        rows = []
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) < max(named, default=-1) + 1:
                values = [*values, *[""] * (len(head) - len(values))]
            rows.append({head[i]: values[i].strip() for i in named})
        return rows
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _jsonl(path: Path, text: str) -> list[dict[str, str]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: a {type(row).__name__}, not an object")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: _plain(row.get(name)) for name in names} for row in rows]


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return "|".join(_plain(item) for item in value)
    return str(value).strip()
