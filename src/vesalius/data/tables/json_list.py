"""JSON files that hold a list of objects, read as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vesalius.core import DataError
from vesalius.data.tables.table import Table, plain, read_text


def read_json_list(path: Path) -> Table:
    """Return one row an object; a key of an object inside it becomes the column ``outer.inner``.

    Raises:
        DataError: the file is missing, no JSON, or no list of objects; the message has the entry.
    """
    try:
        entries = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(entries, list):
        raise DataError(f"{path} holds a {type(entries).__name__}, not a list of objects")
    if not entries:
        raise DataError(f"{path} has no rows")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {number}: a {type(entry).__name__}, not an object")
    rows = [dict(_flat(entry)) for entry in entries]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [plain(row.get(name)) for row in rows] for name in names}
    return Table(path, columns, list(range(1, len(rows) + 1)), unit="entry")


def _flat(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", own) for inner, own in value.items())
        else:
            yield name, value
