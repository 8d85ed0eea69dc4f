"""Where every member of a folder of shards lies: looked through once, then kept beside them.

The index is kept in ``.vesalius-members.parquet`` in the folder, or in the user's cache where the
folder cannot be written; it holds the size and time of each shard and is made anew when one
changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from vesalius.core import DataError, VesaliusError
from vesalius.core.files import write_atomic
from vesalius.data.containers.tar_members import members
from vesalius.data.progress import bar

NAME = ".vesalius-members.parquet"
COLUMNS = ("shard", "key", "kind", "offset", "size")


def shard_members(root: Path, shards: Sequence[Path]) -> dict[str, list[Any]]:
    """Return the members of the shards as columns ``shard, key, kind, offset, size``.

    Raises:
        DataError: a shard is not a safe tar file.
    """
    state = json.dumps([_state(root, path) for path in shards])
    for place in _places(root):
        kept = _kept(place, state)
        if kept is not None:
            return kept
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    with bar("indexing", len(shards), unit="shards") as advance:
        for number, path in enumerate(shards):
            for member in members(path):
                for name, value in zip(COLUMNS, (number, *member), strict=True):
                    columns[name].append(value)
            advance(1)
    _keep(root, columns, state)
    return columns


def _state(root: Path, path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    return [str(path.relative_to(root) if path != root else path.name), found.st_size,
            found.st_mtime_ns]  # fmt: skip


def _places(root: Path) -> tuple[Path, Path]:
    folder = root.parent if root.is_file() else root
    beside = f".{root.name}{NAME}" if root.is_file() else NAME
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    digest = sha256(str(root.absolute()).encode()).hexdigest()[:16]
    return folder / beside, Path(cache).expanduser() / "vesalius" / "members" / f"{digest}.parquet"


def _kept(place: Path, state: str) -> dict[str, list[Any]] | None:
    """Return the kept index where it is of these shards; a broken one counts as none."""
    if not place.is_file():
        return None
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(place)
        same = (table.schema.metadata or {}).get(b"shards") == state.encode()
        return table.select(COLUMNS).to_pydict() if same else None
    except (OSError, KeyError, pyarrow.ArrowException):
        return None


def _keep(root: Path, columns: dict[str, list[Any]], state: str) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(columns).replace_schema_metadata({"shards": state})
    for place in _places(root):
        try:
            write_atomic(place, partial(parquet.write_table, table))
            return
        except VesaliusError:  # a folder that cannot be written: the next place, or no index
            continue
