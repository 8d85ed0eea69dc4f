"""CheXpert: chest films with 14 findings mined from reports, each present, absent or uncertain."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.label_columns import read_labels
from vesalius.data.tables.table import Table, read_table, text_column
from vesalius.data.tables.vocabulary import CHEXPERT

TABLES = {
    "train": ("train.csv",),
    "validation": ("valid.csv",),
    "test": ("test.csv", "test_labels.csv"),
}
VIEWS = ("Frontal", "Lateral", "all")
PREFIX = re.compile(r"CheXpert-v1\.0[^/]*/")  # CheXpert-v1.0/, CheXpert-v1.0-small/ …
PATIENT = re.compile(r"(?:^|/)(patient\d+)/(study\d+)/[^/]+$")


def chexpert(
    root: Path,
    *,
    projection: Literal["Frontal", "Lateral", "all"] = "Frontal",
    uncertain: Literal["ignore", "ones", "zeros"] = "ignore",
    blank: Literal["unknown", "zeros"] = "unknown",
) -> CaseSet:
    """Read ``train.csv``, ``valid.csv`` and ``test.csv``, those that are there, and their films.

    ``Path`` may begin with ``CheXpert-v1.0/``, ``CheXpert-v1.0-small/`` or neither. A blank is a
    finding that the report does not mention. Irvin et al. 2019 train on blanks as negatives, and
    so do many who use the set; here a blank is unknown unless ``blank=zeros`` is asked
    for. Patients are the ``patient00001`` of the paths. Attributes: ``age`` (years, NaN where it
    is no number), ``sex``, ``view``, ``direction`` (AP, PA), ``study``, as far as they are there.

    Args:
        root: the folder of the tables and of ``train/``, ``valid/``, ``test/``; or the folder
            around it.
        projection: which films to take, by ``Frontal/Lateral`` or else by the file's name.
        uncertain: what −1 becomes: unknown (``ignore``), present (``ones``) or absent.
        blank: what a blank cell becomes: unknown or absent (``zeros``).

    Raises:
        DataError: a table, column or value is not what it must be, or no image is there.
    """
    if projection not in VIEWS:
        raise unknown("projection", projection, VIEWS)
    base = _base(root)
    tables = {split: read_table(path) for split, path in _tables(base).items()}
    paths = [PREFIX.sub("", path) for table in tables.values() for path in table["Path"]]
    states = [
        read_labels(table, CHEXPERT, uncertain=uncertain, blank=blank).states_NC
        for table in tables.values()
    ]
    views = np.array([view for table in tables.values() for view in _views(table)])
    ids = np.array([_patient(table, row) for table in tables.values() for row in range(len(table))])
    cases = CaseSet(
        case_ids=np.array(paths, dtype=np.str_),
        images=ImageFiles(base, [inside(base, path) for path in paths]),
        labels_NC=np.concatenate(states),
        label_names=CHEXPERT,
        patient_ids=ids[:, 0],
        splits=np.repeat(list(tables), [len(table) for table in tables.values()]),
        attributes={"view": views, "study": ids[:, 1], **_attributes(list(tables.values()))},
        source="chexpert",
    )
    taken = np.flatnonzero((views == projection) | (projection == "all"))
    if not len(taken):
        raise DataError(f"{base} has no film with projection {projection!r}")
    return with_images(cases.select(taken))


def _base(root: Path) -> Path:
    """Return the folder of the tables: the root, or the one folder CheXpert-v1.0… in it."""
    if root.is_dir() and not _tables(root, needed=False):
        inner = [p for p in sorted(root.glob("CheXpert-v1.0*")) if p.is_dir()]
        return next((p for p in inner if _tables(p, needed=False)), root)
    return root


def _tables(base: Path, *, needed: bool = True) -> dict[str, Path]:
    found = {
        split: next(path for name in names if (path := base / name).is_file())
        for split, names in TABLES.items()
        if any((base / name).is_file() for name in names)
    }
    if needed and not found:
        raise DataError(f"{base} has no {' or '.join(names[0] for names in TABLES.values())}")
    return found


def _views(table: Table) -> list[str]:
    if "Frontal/Lateral" in table:
        return table["Frontal/Lateral"]
    return ["Lateral" if "lateral" in path else "Frontal" for path in table["Path"]]


def _patient(table: Table, row: int) -> tuple[str, str]:
    """Return a film's patient and study, which only its path names."""
    path = table["Path"][row]
    found = PATIENT.search(path)
    if not found:
        raise DataError(f"{table.place(row)}: {path!r} names no patient and study")
    return found[1], f"{found[1]}/{found[2]}"


def _attributes(tables: list[Table]) -> dict[str, NDArray[Any]]:
    columns = {"age": "Age", "sex": "Sex", "direction": "AP/PA"}
    found: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        cells = [c for t in tables for c in (t[column] if column in t else [""] * len(t))]
        if any(cells):
            found[name] = text_column(cells) if name != "age" else _ages(cells)
    return found


def _ages(cells: list[str]) -> NDArray[np.float64]:
    return np.array([float(cell) if cell.isdecimal() else np.nan for cell in cells])
