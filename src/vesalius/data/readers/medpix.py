"""MedPix 2.0: CT and MR images of teaching cases with radiologists' captions (Siragusa et al.)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import PICTURES, ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.splits import split_name
from vesalius.data.tables.json_list import read_json_list
from vesalius.data.tables.label_columns import read_labels
from vesalius.data.tables.table import Table, first_of, read_table

DESCRIPTIONS = ("Descriptions.json", "Description.json")
CAPTIONS = "captions.csv"
TOPICS = "Case_topic.json"
FOLDERS = ("splitted_dataset", "")  # of the lists
LISTS = {"train": ("train", "train_1", "train_2"), "validation": ("dev",), "test": ("test",)}
LABELS = ("location_category", "modality")
COLUMNS = {
    "case_id": "U_id", "image": "image", "caption": "Description.Caption", "modality": "Type",
    "protocol": "Description.Modality", "plane": "Description.Plane", "age": "Description.Age",
    "sex": "Description.Sex", "location": "Location", "location_category": "Location Category",
}  # fmt: skip
ATTRIBUTES = ("modality", "protocol", "plane", "sex", "location", "location_category")
UNTOLD = ("", "N/A", "n/a", "NaN")


def medpix(
    root: Path, *, labels: Literal["location_category", "modality"] = "location_category"
) -> CaseSet:
    """Read ``Descriptions.json`` and ``images/<image>.png``, or ``captions.csv``.

    The CSV has the columns ``case_id, image, split, caption, modality, protocol, plane, age, sex,
    location, location_category``. The patient is the case (``U_id``); several images of a case may
    share one caption. With the JSON, ``splitted_dataset/descriptions_{train,dev,test}.jsonl`` give
    the splits and ``Case_topic.json`` the attribute ``diagnosis``, where they are. Further
    attributes: age (in years), sex, modality (CT, MR), protocol, plane, location and its category.

    Args:
        root: the folder of the table and of ``images/``.
        labels: the column whose categories are the labels (multiclass).

    Raises:
        DataError: a file or column is missing, or no image is there.
    """
    if labels not in LABELS:
        raise unknown("labels", labels, LABELS)
    table, splits = _captions(root) if (root / CAPTIONS).is_file() else _descriptions(root)
    images, cases = table["image"], table["case_id"]
    found = read_labels(table, labels, taken=set(), uncertain="ignore")
    attributes: dict[str, NDArray[np.generic]] = {
        name: np.array([_told(cell) for cell in table[name]], np.str_) for name in ATTRIBUTES
    }
    ages = [_told(cell) for cell in table["age"]]
    attributes["age"] = np.array([float(a) if a.isdecimal() else np.nan for a in ages])
    if (root / TOPICS).is_file():
        diagnosis = _diagnoses(root / TOPICS)
        attributes["diagnosis"] = np.array([diagnosis.get(own, "") for own in cases], np.str_)
    return with_images(
        CaseSet(
            case_ids=np.array(images, dtype=np.str_),
            images=ImageFiles(root, [inside(root, path) if path else "" for path in images]),
            labels_NC=found.states_NC,
            label_names=found.names,
            patient_ids=np.array(cases, dtype=np.str_),
            texts=np.array([_told(text) or None for text in table["caption"]], dtype=object),
            splits=splits,
            attributes=attributes,
            task=found.task,
            source="medpix",
        )
    )


def _captions(root: Path) -> tuple[Table, NDArray[np.str_] | None]:
    table = read_table(root / CAPTIONS)
    if "split" not in table:
        return table, None
    names = [name and split_name(name, table.place(i)) for i, name in enumerate(table["split"])]
    return table, np.array(names, dtype="<U10")


def _descriptions(root: Path) -> tuple[Table, NDArray[np.str_] | None]:
    """Read the JSON under the CSV's names of columns, with the path of each image."""
    table = read_json_list(first_of(root, (CAPTIONS, *DESCRIPTIONS)))
    columns = {own: table[published] for own, published in COLUMNS.items()}
    columns["image"] = [f"images/{_file(root, name)}" if name else "" for name in columns["image"]]
    split_of = _splits(root)
    named = [split_of.get(case, "") for case in columns["case_id"]]
    own = Table(table.path, columns, table.lines, table.unit)
    return own, np.array(named, dtype="<U10") if split_of else None


def _file(root: Path, name: str) -> str:
    """Return an image's file: the JSON names it without its ending, which is ``.png``."""
    if name.lower().endswith(PICTURES):
        return name
    endings = [ending for ending in PICTURES if (root / "images" / f"{name}{ending}").is_file()]
    return name + (endings or [".png"])[0]


def _splits(root: Path) -> dict[str, str]:
    """Return the split of each case from the lists at hand."""
    split_of: dict[str, str] = {}
    for path, split in _lists(root):
        table = read_table(path)
        for row, case in enumerate(table["U_id"]):
            if split_of.setdefault(case, split) != split:
                raise DataError(f"{table.place(row)}: case {case!r} is also in {split_of[case]}")
    return split_of


def _lists(root: Path) -> Iterator[tuple[Path, str]]:
    for split, parts in LISTS.items():
        for part in parts:
            for path in (root / folder / f"descriptions_{part}.jsonl" for folder in FOLDERS):
                if path.is_file():
                    yield path, split


def _diagnoses(path: Path) -> Mapping[str, str]:
    table = read_json_list(path)
    return dict(zip(table["U_id"], table["Case.Title"], strict=True))


def _told(cell: str) -> str:
    return "" if cell in UNTOLD else cell
