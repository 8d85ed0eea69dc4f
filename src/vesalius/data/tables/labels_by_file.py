"""Labels from a table whose rows name files: by path, by file name, or by an id of the file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, Skipped
from vesalius.data.splits import split_name
from vesalius.data.tables.column_report import near_labels
from vesalius.data.tables.label_columns import read_labels
from vesalius.data.tables.table import read_table

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger(__name__)

AMBIGUOUS = -1


@dataclass(frozen=True, slots=True)
class FileLabels:
    """What a table says of each of F files: states (NaN where it says nothing), texts, splits."""

    names: tuple[str, ...]
    states_FC: Float[np.ndarray, "F C"]
    task: str
    texts: NDArray[np.object_] | None
    splits: NDArray[np.str_] | None
    skipped: tuple[Skipped, ...]


def labels_by_file(
    table_file: Path,
    join: str,
    files: Sequence[str],
    ids: Sequence[str],
    *,
    labels: str | Sequence[str] | None = None,
) -> FileLabels:
    """Read label columns, and ``text`` and ``split`` where they are; nothing else is kept.

    Args:
        table_file: CSV, TSV or JSONL.
        join: the column that names files: a path under the root, a file's name with or without
            its suffix, or its id.
        files: paths under the root.
        ids: of the files, such as SOPInstanceUIDs.
        labels: the label columns, or one column of categories; by default those of states.

    Raises:
        DataError: a column is not there, a row names two files, or a file has two rows.
    """
    table = read_table(table_file)
    place_of = _places(files, ids)
    extra = {name for name in ("text", "split") if name in table}
    found = read_labels(table, labels, taken={join, *extra}, uncertain="ignore")
    rest = [name for name in table.columns if name not in {join, *extra, *found.columns}]
    for hint in near_labels(table, rest):
        log.warning("%s", hint)
    row_of: dict[int, int] = {}
    skipped = []
    for row, cell in enumerate(table[join]):
        place = place_of.get(cell)
        if place is None:
            skipped.append(Skipped(f"{table_file.name}: {cell}", "names no file that was read"))
        elif place == AMBIGUOUS:
            raise DataError(f"{table.place(row)}: {cell!r} is several files; write their paths")
        elif row_of.setdefault(place, row) != row:
            raise DataError(f"{table.place(row)}: {cell!r} has a row already")
    if not row_of:
        raise DataError(f"{table_file}: not one of its {len(table)} rows names a file at hand")
    states_FC = np.full((len(files), len(found.names)), np.nan)
    texts, splits = np.full(len(files), None, dtype=object), np.full(len(files), "", dtype="<U10")
    for place, row in row_of.items():
        states_FC[place] = found.states_NC[row]
        if "text" in extra:
            texts[place] = table["text"][row] or None
        if "split" in extra and table["split"][row]:
            splits[place] = split_name(table["split"][row], table.place(row))
    return FileLabels(
        found.names,
        states_FC,
        found.task,
        texts if "text" in extra else None,
        splits if "split" in extra else None,
        tuple(skipped),
    )


def _places(files: Sequence[str], ids: Sequence[str]) -> dict[str, int]:
    """Return the place of each file by all its names; a path is never ambiguous."""
    places: dict[str, int] = {}
    for place, (file, own) in enumerate(zip(files, ids, strict=True)):
        path = PurePosixPath(file)
        for name in {path.name, path.stem, own} - {""}:
            places[name] = place if name not in places else AMBIGUOUS
    return {**places, **{file: place for place, file in enumerate(files)}}
