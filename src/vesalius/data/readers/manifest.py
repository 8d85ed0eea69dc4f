"""Manifest: a CSV, TSV or JSONL with a row per image. The format to convert anything into."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError
from vesalius.data.containers.beside_manifest import with_tables
from vesalius.data.containers.conversion_index import conversion_index
from vesalius.data.images import ImageFiles
from vesalius.data.images.mask_files import Files, with_masks
from vesalius.data.images.presence import inside, with_images
from vesalius.data.splits import split_name
from vesalius.data.tables.column_report import ColumnReport, image_columns, near_labels, report
from vesalius.data.tables.label_columns import read_labels
from vesalius.data.tables.table import JOINT, JSON_LINES, Table, read_table, text_column

log = logging.getLogger(__name__)

NAMES = ("manifest.csv", "manifest.tsv", "manifest.jsonl")
MASK = "mask"  # the column of mask files, and what they are called
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", *JSON_LINES)


def manifest(
    root: Path,
    *,
    file: str | None = None,
    image: str = "image",
    text: str | None = None,
    case_id: str | None = None,
    patient_id: str | None = None,
    split: str | None = None,
    labels: str | list[str] | None = None,
    uncertain: Literal["ignore", "ones", "zeros"] = "ignore",
    separator: str | None = None,
) -> CaseSet:
    """Read a table with a column of image paths (under the root) and any of the others.

    A column that is not named here is looked for under its own name: ``text``, ``case_id``,
    ``patient_id``, ``split``. What is neither these nor a label becomes an attribute. A column
    ``mask`` holds paths of mask files under the root; several, joined by ``|``, are merged. Boxes,
    masks and questions are also read from ``boxes.csv``, ``masks.csv`` and ``questions.csv``
    beside the table, by case id. The table may be gzipped (``.csv.gz``).

    Args:
        root: the folder of table and images, or the table itself.
        file: the table; by default ``manifest.csv``, ``.tsv`` or ``.jsonl``, or the only table.
        image: column of the paths, relative to the root.
        text: column of reports or captions.
        case_id: column of unique names; the image's path where there is none.
        patient_id: column of patients; without it a split by patient is refused.
        split: column of train (training), validation (valid, val, dev) and test (testing).
        labels: label columns of 1, 0, −1 (uncertain) and blank (unknown), or one column of
            categories, which makes the task multiclass, or multilabel where some cell joins
            several by ``|``; by default every column left that holds nothing but such states.
        uncertain: what −1 becomes: unknown (``ignore``), present (``ones``) or absent.
        separator: of the cells; by default a tab in ``.tsv``, else what parts the header.

    Raises:
        DataError: a file, column or value is not what it must be; the message has its line.
    """
    folder = root.parent if root.is_file() else root
    index = conversion_index(folder, "manifest")
    path = root if root.is_file() else _table_file(root, file)
    table = read_table(path, separator=separator)
    roles = _roles(table, text=text, case_id=case_id, patient_id=patient_id, split=split)
    columns = {role: None if name is None else table[name] for role, name in roles.items()}
    taken = {image, MASK, *(name for name in roles.values() if name is not None)}
    paths = [inside(folder, cell) if cell else "" for cell in _image_cells(table, image)]
    header = index if labels is None and path.name == "manifest.csv" else None
    if header is not None:
        labels = list(header["columns"]["labels"].values())
    found = read_labels(table, labels, taken=taken, uncertain=uncertain)
    texts, patients, splits = columns["text"], columns["patient_id"], columns["split"]
    rest = [name for name in table.columns if name not in taken and name not in found.columns]
    for hint in near_labels(table, rest) if labels is None else ():
        log.warning("%s", hint)
    cases = CaseSet(
        case_ids=_case_ids(table, roles["case_id"] or image, columns["case_id"] or paths),
        images=ImageFiles(folder, paths),
        labels_NC=found.states_NC,
        label_names=found.names,
        patient_ids=np.array(patients, np.str_) if patients and any(patients) else None,
        texts=None if texts is None else np.array([t or None for t in texts], dtype=object),
        splits=None if splits is None else _splits(table, splits),
        attributes={name: text_column(table[name]) for name in rest},
        task=found.task,
        source=f"manifest {path.name}",
    )
    if MASK in table:
        cases = with_masks(cases, _masks(folder, table[MASK]))
    return with_tables(with_images(cases), folder, header)


def manifest_columns(
    root: Path, cases: CaseSet, *, file: str | None = None, image: str = "image",
    labels: str | list[str] | None = None, separator: str | None = None, **settings: str | None,
) -> ColumnReport:  # fmt: skip
    """Return how the columns of a manifest were read into cases, by the same settings."""
    path = root if root.is_file() else _table_file(root, file)
    table = read_table(path, separator=separator)
    header = None if labels else conversion_index(path.parent, "manifest")
    if header is not None and path.name == "manifest.csv":
        labels = list(header["columns"]["labels"].values())
    settings.pop("uncertain", None)
    roles: dict[str, tuple[str, ...]] = {"image": (image,)}
    roles |= {role: (name,) for role, name in _roles(table, **settings).items() if name}
    roles |= {MASK: (MASK,)} if MASK in table else {}
    taken = {name for names in roles.values() for name in names}
    chosen = {labels} if isinstance(labels, str) else set(labels or cases.label_names)
    free = [name for name in table.columns if name not in taken]
    roles["label"] = tuple(name for name in free if name in chosen)
    roles["attribute"] = tuple(name for name in free if name not in chosen)
    return report(table, roles)


def _image_cells(table: Table, image: str) -> list[str]:
    if image not in table:
        likely = [f"image={name}" for name in image_columns(table)]
        hint = f"perhaps {' or '.join(likely)}" if likely else "name that of the paths: image=…"
        raise DataError(
            f"{table.path} has no column {image!r} of image paths; {hint}; it has "
            f"{', '.join(table.columns)}"
        )
    return table[image]


def _roles(table: Table, **named: str | None) -> dict[str, str | None]:
    """Return the column of each role: the named one, or one of the role's own name."""
    return {
        role: name if name is not None else role if role in table else None
        for role, name in named.items()
    }


def _table_file(root: Path, file: str | None) -> Path:
    if file is not None:
        if not (root / inside(root, file)).is_file():
            raise DataError(f"{root} has no {file}; its tables are {_named(_tables(root))}")
        return root / inside(root, file)
    found = [root / name for name in NAMES if (root / name).is_file()][:1]
    if not found:
        found = _tables(root)
    if len(found) != 1:
        raise DataError(
            f"{root} has no manifest.csv but {_named(found)}; say which it is with file=…"
        )
    return found[0]


def _tables(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES))


def _named(paths: list[Path]) -> str:
    return ", ".join(p.name for p in paths) or "no table at all"


def _case_ids(table: Table, column: str, ids: list[str]) -> np.ndarray:
    """Return the ids, which must be unique; a row that names neither id nor image gets its line."""
    ids = [case_id or f"line {table.lines[row]}" for row, case_id in enumerate(ids)]
    if len(set(ids)) < len(ids):
        first: dict[str, int] = {}
        for row, case_id in enumerate(ids):
            if case_id in first:
                raise DataError(
                    f"{table.place(row)}: {column!r} is {case_id!r} as on line "
                    f"{table.lines[first[case_id]]}, but a case id is unique; "
                    "name another column with case_id=…"
                )
            first[case_id] = row
    return np.array(ids, dtype=np.str_)


def _splits(table: Table, given: list[str]) -> np.ndarray:
    """Return the splits by their one name; a blank stays blank."""
    names = [name and split_name(name, table.place(row)) for row, name in enumerate(given)]
    return np.array(names, dtype="<U10")


def _masks(folder: Path, cells: list[str]) -> list[Files]:
    """Return the mask files of each row: the paths in a cell, joined by ``|``."""
    named = [[part.strip() for part in cell.split(JOINT) if part.strip()] for cell in cells]
    return [
        {MASK: tuple(inside(folder, path) for path in paths)} if paths else {} for paths in named
    ]
