"""The ``index.json`` that a conversion leaves: what its labels, types and files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vesalius.core import DataError
from vesalius.core.files import read_json

FORMAT = "vesalius/converted/v1"
KEYS = {"labels": list, "attributes": dict, "columns": dict, "has": dict, "files": dict,
        "skipped": list, "task": str, "source": str}  # fmt: skip


def conversion_index(folder: Path, to: str) -> dict[str, Any] | None:
    """Return the index of a folder that was converted ``to`` manifest or shards, else None.

    Raises:
        DataError: the conversion was stopped before its end, or the index is not of its form.
    """
    path = folder / "index.json"
    if (folder / ".parts" / "plan.json").is_file() and not path.is_file():
        raise DataError(f"{folder}: the conversion was stopped; run it again, and it goes on")
    if not path.is_file():
        return None
    index = read_json(path)
    if not isinstance(index, dict) or index.get("format") != FORMAT or index.get("to") != to:
        return None
    for key, kind in KEYS.items():
        if not isinstance(index.get(key), kind):
            raise DataError(f"{path}: {key!r} is missing or not a {kind.__name__}")
    return index
