"""Manifest: a CSV, TSV or JSONL with a row per image. The format to convert anything into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError
from vesalius.data.images import ImageFiles, inside, with_images
from vesalius.data.rows import only, read_rows

STATES = {"1": 1.0, "1.0": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0,
          "no": 0.0, "": np.nan, "nan": np.nan, "-1": -1.0, "-1.0": -1.0}  # fmt: skip
UNCERTAIN = {"ignore": np.nan, "ones": 1.0, "zeros": 0.0}
NAMES = ("manifest.csv", "manifest.tsv", "manifest.jsonl")
JOINT = "|"


def manifest(
    root: Path,
    *,
    file: str | None = None,
    image: str = "image",
    text: str = "text",
    case_id: str = "case_id",
    patient_id: str = "patient_id",
    split: str = "split",
    labels: str | list[str] | None = None,
    uncertain: Literal["ignore", "ones", "zeros"] = "ignore",
) -> CaseSet:
    """Read a table with a column of image paths (under the root) and any of the others.

    Args:
        root: the folder of table and images, or the table itself.
        file: the table's name; by default ``manifest.csv``, ``.tsv`` or ``.jsonl``, or the only
            table in the folder.
        image: column of the paths, relative to the root.
        text: column of reports or captions.
        case_id: column of unique names; the path where there is none.
        patient_id: column of patients; without it a split by patient is refused.
        split: column of train, validation (val, dev), test.
        labels: label columns of 1, 0, −1 (uncertain) and blank (unknown), or one column of
            categories (several joined by ``|``); by default every column that holds only states.
        uncertain: what −1 becomes: unknown (``ignore``), present or absent.

    Raises:
        DataError: a file, column or value is not what it must be.
    """
    table = root if root.is_file() else _table(root, file)
    folder = root.parent if root.is_file() else root
    rows = read_rows(table, (image,))
    for asked, default in ((text, "text"), (case_id, "case_id"), (patient_id, "patient_id"),
                           (split, "split")):  # fmt: skip
        if asked != default and asked not in rows[0]:
            read_rows(table, (asked,))
    taken = {image, text, case_id, patient_id, split}
    names, labels_NC, task = _labels(table, rows, labels, taken, UNCERTAIN[uncertain])

    def column(name: str) -> list[str] | None:
        return [row[name] for row in rows] if name in rows[0] else None

    paths = [inside(folder, row[image]) if row[image] else "" for row in rows]
    patients, splits, texts = column(patient_id), column(split), column(text)
    if patients is not None and not all(patients):
        raise DataError(f"{table}: column {patient_id!r} is blank in row {patients.index('') + 2}")
    rest = [c for c in rows[0] if c not in taken and c not in names and c != labels]
    return with_images(
        CaseSet(
            case_ids=np.array(column(case_id) or paths, dtype=np.str_),
            images=ImageFiles(folder, paths),
            labels_NC=labels_NC,
            label_names=names,
            patient_ids=None if patients is None else np.array(patients, dtype=np.str_),
            texts=None if texts is None else np.array([t or None for t in texts], dtype=object),
            splits=None if splits is None else np.array(splits, dtype=np.str_),
            attributes={name: np.array(column(name), dtype=np.str_) for name in rest},
            task=task,
            source=f"manifest {table.name}",
        )
    )


def _table(root: Path, file: str | None) -> Path:
    if file is not None:
        return only(root, (inside(root, file),))
    found = [root / name for name in NAMES if (root / name).is_file()]
    if not found:
        found = sorted(p for p in root.iterdir() if p.suffix in (".csv", ".tsv", ".jsonl"))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "no table at all"
        raise DataError(f"{root} has {names}; say which with data.file=…")
    return found[0]


def _labels(
    table: Path,
    rows: Sequence[dict[str, str]],
    labels: str | list[str] | None,
    taken: set[str],
    uncertain: float,
) -> tuple[tuple[str, ...], NDArray[np.float64], str]:
    """Return label names, states and task from state columns or a column of categories."""
    if isinstance(labels, str):
        read_rows(table, (labels,))
        values = [row[labels] for row in rows]
        if not all(value.lower() in STATES for value in values):
            return _categories(values)
        labels = [labels]
    if labels is None:
        free = [name for name in rows[0] if name not in taken]
        labels = [c for c in free if all(row[c].lower() in STATES for row in rows)]
        labels = [c for c in labels if any(row[c] for row in rows)]
    for name in labels:
        read_rows(table, (name,))
        for number, row in enumerate(rows, 2):
            if row[name].lower() not in STATES:
                raise DataError(
                    f"{table}, row {number}: {name!r} is {row[name]!r}; a label is 1, 0, −1 or blank"
                )
    states_NC = np.array([[STATES[row[c].lower()] for c in labels] for row in rows], dtype=float)
    states_NC = states_NC.reshape(len(rows), len(labels))
    return tuple(labels), np.where(states_NC == -1, uncertain, states_NC), "multilabel"


def _categories(values: list[str]) -> tuple[tuple[str, ...], NDArray[np.float64], str]:
    """Return one column a category; a blank value is unknown in all of them."""
    parts = [[part.strip() for part in value.split(JOINT) if part.strip()] for value in values]
    names = tuple(sorted({name for own in parts for name in own}))
    place = {name: i for i, name in enumerate(names)}
    states_NC = np.zeros((len(values), len(names)))
    for row, own in enumerate(parts):
        states_NC[row, [place[name] for name in own]] = 1.0
        if not own:
            states_NC[row] = np.nan
    single = all(len(own) <= 1 for own in parts)
    return names, states_NC, "multiclass" if single else "multilabel"
