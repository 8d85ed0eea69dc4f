"""A Hugging Face ``datasets`` folder: Parquet shards, or the Arrow folders of ``save_to_disk``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.containers.cells import CellImages, Cells
from vesalius.data.containers.hf_features import class_names
from vesalius.data.containers.hf_shards import Shard, find_shards, part_of
from vesalius.data.containers.shards import has_bytes, read_columns, readable, schema_of
from vesalius.data.images.presence import faults_of, inside
from vesalius.data.splits import ALIASES
from vesalius.data.tables.label_columns import Labels, read_labels
from vesalius.data.tables.table import Table, plain, text_column

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("text", "caption", "report")
LABELS = ("label", "labels")


def hf_dataset(
    root: Path,
    *,
    folder: str | None = None,
    image: str = "image",
    text: str | None = None,
    labels: str | list[str] | None = None,
    case_id: str | None = None,
    patient_id: str | None = None,
) -> CaseSet:
    """Read ``data/train-00000-of-00002.parquet`` …, or what ``save_to_disk`` wrote (``.arrow``).

    Images are structs of bytes and path, or bytes; those without bytes are looked for under the
    root. Splits come from the shards' names (``train``, ``validation``, ``test``; another name is
    no split). Class names come from the shards, ``dataset_info.json`` or the head of
    ``README.md``; −1 and null are unknown. A list of classes says which hold: the others do not.
    Plain columns that are left become attributes.

    Args:
        root: the folder of the data set, or one shard.
        folder: of the shards; by default ``data``, ``default`` or the root.
        image: column of images.
        text: column of texts; by default ``text``, ``caption`` or ``report``, where there is one.
        labels: column of classes, or columns of states (1, 0, −1 uncertain, null unknown); by
            default ``label`` or ``labels``, or the only column with class names.
        case_id: column of unique names; by default the split and a number.
        patient_id: column of patients; without it a split by patient is refused.

    Raises:
        DataError: no shard is there, one is broken, or a column is not what it must be.
    """
    base = root.parent if root.is_file() else root
    shards = [Shard(root.name, part_of(root))] if root.is_file() else find_shards(root, folder)
    schema = schema_of(base / shards[0].path)
    table, values, shard_N = _table(base, shards, schema, image)
    roles = {"text": text, "case_id": case_id, "patient_id": patient_id}
    roles["text"] = text or next((name for name in TEXTS if name in table), None)
    columns = {role: None if name is None else table[name] for role, name in roles.items()}
    names = class_names(base, schema.metadata)
    found = _labels(table, values, labels, names)
    taken = {*filter(None, roles.values()), *found.columns}
    parts = np.array([shards[number].part for number in shard_N], dtype=np.str_)
    splits = np.array([ALIASES.get(part.lower(), "") for part in parts], dtype="<U10")
    row_N = np.concatenate([np.arange(n) for n in np.bincount(shard_N, minlength=len(shards))])
    texts, patients = columns["text"], columns["patient_id"]
    return _with_images(
        CaseSet(
            case_ids=np.array(columns["case_id"] or _numbered(parts), dtype=np.str_),
            images=CellImages(Cells(base, [s.path for s in shards], image), shard_N, row_N),
            labels_NC=found.states_NC,
            label_names=found.names,
            patient_ids=np.array(patients, np.str_) if patients and any(patients) else None,
            texts=None if texts is None else np.array([t or None for t in texts], dtype=object),
            splits=splits if (splits != "").any() else None,
            attributes={
                name: text_column(_named(values[name], names.get(name)))
                for name in table.columns
                if name not in taken and not _is_list(values[name])
            },
            task=found.task,
            source=f"hf_dataset {base.name}",
        )
    )


def _table(
    base: Path, shards: Sequence[Shard], schema: pa.Schema, image: str
) -> tuple[Table, dict[str, list[Any]], NDArray[np.intp]]:
    """Return the plain columns of all shards, as text and as they are, and each row's shard."""
    with readable(base / shards[0].path):  # a broken name is only found when it is asked for
        kept = _plain_columns(base, schema, image)
    values: dict[str, list[Any]] = {name: [] for name in kept}
    sizes = []
    for shard in shards:
        own, size = read_columns(base / shard.path, kept)
        sizes.append(size)
        for name in kept:
            values[name] += own[name]
    if not sum(sizes):
        raise DataError(f"{base} has no rows")
    cells = {name: [plain(value) for value in column] for name, column in values.items()}
    return Table(base, cells, range(1, sum(sizes) + 1)), values, np.repeat(range(len(sizes)), sizes)


def _plain_columns(base: Path, schema: pa.Schema, image: str) -> list[str]:
    """Return the columns of words and numbers, beside that of images, which must be one."""
    if image not in schema.names:
        raise DataError(f"{base} has no column {image!r}; it has {', '.join(schema.names)}")
    kind = schema.field(image).type
    if not _is_image(kind):
        raise DataError(f"{base}: column {image!r} is {kind}, not an image, its bytes or its path")
    return [f.name for f in schema if f.name != image and _is_plain(f.type)]


def _is_image(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}
    tests = (types.is_binary, types.is_large_binary, types.is_string, types.is_large_string)
    return any(test(kind) for test in tests)


def _is_plain(kind: pa.DataType) -> bool:
    """Say whether a column holds words or numbers, or lists of them."""
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type) and not types.is_nested(kind.value_type)
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating,
             types.is_boolean)  # fmt: skip
    return any(test(kind) for test in tests)


def _labels(
    table: Table,
    values: Mapping[str, list[Any]],
    labels: str | Sequence[str] | None,
    names: Mapping[str, tuple[str, ...]],
) -> Labels:
    if labels is None:
        known = [name for name in names if name in table]
        labels = next((name for name in LABELS if name in table), None)
        labels = known[0] if labels is None and len(known) == 1 else labels
    if labels is None:
        return Labels((), np.zeros((len(table), 0)), "multilabel", ())
    if isinstance(labels, str) and labels in names and labels in table:
        return _classes(table, labels, values[labels], names[labels])
    return read_labels(table, labels)


def _classes(table: Table, column: str, cells: Sequence[Any], names: tuple[str, ...]) -> Labels:
    """Return the states of a column of class numbers, or of lists of them."""
    states_NC = np.zeros((len(cells), len(names)))
    for row, cell in enumerate(cells):
        numbers = cell if isinstance(cell, list) else [cell]
        if None in numbers or -1 in numbers:
            states_NC[row] = np.nan
            continue
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number < len(names):
                raise DataError(
                    f"{table.path}, row {row + 1}: {column!r} is {number!r}; classes are numbers "
                    f"from 0 to {len(names) - 1} ({', '.join(names)})"
                )
            states_NC[row, number] = 1.0
    task = "multilabel" if _is_list(cells) else "multiclass"
    return Labels(names, states_NC, task, (column,))


def _is_list(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, list) for cell in cells)


def _named(cells: Sequence[Any], names: tuple[str, ...] | None) -> list[str]:
    """Return cells as text, class numbers by their names."""
    named = dict(enumerate(names or ()))
    return [plain(named.get(c, c) if isinstance(c, int) else c) for c in cells]


def _numbered(parts: NDArray[np.str_]) -> list[str]:
    """Return ids: the part and a number within it."""
    seen: Counter[str] = Counter()
    ids = []
    for part in parts.tolist():
        ids.append(f"{part or 'row'}-{seen[part]:06d}")
        seen[part] += 1
    return ids


def _with_images(cases: CaseSet) -> CaseSet:
    """Leave out the rows that hold no bytes and whose file is not there, and list them."""
    images = cases.images
    assert isinstance(images, CellImages)
    cells = images.cells
    held = [has_bytes(cells.root / path, cells.column) for path in cells.shards]
    rows = np.flatnonzero(~np.concatenate(held))
    if not len(rows):
        return cases
    paths = [cells(int(images.shard_N[row]), int(images.row_N[row])).path or "" for row in rows]
    faults = faults_of(cells.root, [path and inside(cells.root, path) for path in paths])
    skipped = [
        Skipped(images.name(int(row)), f"{path}: {fault}" if path else "holds no image")
        for row, path, fault in zip(rows, paths, faults, strict=True)
        if fault
    ]
    here = np.ones(len(cases), bool)
    here[[row for row, fault in zip(rows, faults, strict=True) if fault]] = False
    if not here.any():
        raise DataError(
            f"{cases.source}: not one of {len(cases):,} images is there; the first is "
            f"{skipped[0].name}: {skipped[0].reason}"
        )
    return replace(cases.select(here), skipped=tuple(skipped))
