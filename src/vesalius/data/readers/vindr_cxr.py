"""VinDr-CXR: chest films with boxes by radiologists (Nguyen et al. 2022)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vesalius.core import Box, CaseSet, DataError
from vesalius.data.images import ImageFiles, is_image_name
from vesalius.data.images.drawn_boxes import DrawnBox, with_boxes
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.table import Table, read_table

TABLES = {
    "train": ("train.csv", "annotations/annotations_train.csv", "annotations_train.csv"),
    "test": ("annotations/annotations_test.csv", "annotations_test.csv"),
}
META = "{split}_meta.csv"  # the size of the originals, beside copies that were made smaller
CORNERS = ("x_min", "y_min", "x_max", "y_max")
NO_FINDING = "No finding"


def vindr_cxr(root: Path) -> CaseSet:
    """Read ``train.csv`` or ``annotations/annotations_{train,test}.csv``, a row for each box.

    A row has ``image_id``, ``class_name``, ``x_min``, ``y_min``, ``x_max``, ``y_max`` and, in the
    training set, ``rad_id``. A finding is 1 where any radiologist marked it, else 0; boxes of all
    radiologists are kept. "No finding" is 0 in all. ``readers`` counts the radiologists of a film.
    Images lie in ``train/``, ``test/`` or ``images/``, as DICOM, PNG or JPEG. Boxes are in pixels
    of the originals: beside smaller copies lies ``train_meta.csv`` (``image_id``, ``dim0`` the
    height, ``dim1`` the width), by which they are scaled. Patients are not known.

    Args:
        root: the folder of the tables and images.

    Raises:
        DataError: no table or image is there, or a box is not four numbers; the message has its
            line.
    """
    paths = {split: [root / n for n in names if (root / n).is_file()][:1]
             for split, names in TABLES.items()}  # fmt: skip
    tables = {split: read_table(own[0]) for split, own in paths.items() if own}
    if not tables:
        raise DataError(f"{root} has neither {' nor '.join(TABLES['train'] + TABLES['test'])}")
    split_of: dict[str, str] = {}
    marked: set[tuple[str, str]] = set()
    radiologists: dict[str, set[str]] = {}
    for split, table in tables.items():
        names = table["rad_id"] if "rad_id" in table else [""] * len(table)
        for image, finding, name in zip(table["image_id"], table["class_name"], names, strict=True):
            if split_of.setdefault(image, split) != split:
                raise DataError(f"{table.path}: {image!r} is in both train and test")
            marked.add((image, finding))
            radiologists.setdefault(image, set()).add(name)
    images = list(split_of)
    where = _places(root)
    label_names = tuple(sorted({finding for _, finding in marked} - {NO_FINDING, ""}))
    states = [[float((i, finding) in marked) for finding in label_names] for i in images]
    cases = CaseSet(
        case_ids=np.array(images, dtype=np.str_),
        images=ImageFiles(
            root, [inside(root, where.get(i, f"{split_of[i]}/{i}.dicom")) for i in images]
        ),
        labels_NC=np.array(states).reshape(len(images), len(label_names)),
        label_names=label_names,
        splits=np.array(list(split_of.values()), dtype="<U10") if len(tables) > 1 else None,
        attributes={"readers": np.array([len(radiologists[i]) for i in images])},
        source="vindr_cxr",
    )
    drawn = [own for split, table in tables.items() for own in _drawn(root, split, table)]
    return with_boxes(with_images(cases), drawn)


def _drawn(root: Path, split: str, table: Table) -> Iterator[DrawnBox]:
    sizes = _sizes(root / META.format(split=split))
    columns = [table[name] for name in CORNERS]
    images, findings = table["image_id"], table["class_name"]
    for row, cells in enumerate(zip(*columns, strict=True)):
        if findings[row] == NO_FINDING:
            continue
        left, top, right, bottom = _numbers(table, row, cells, "a box")
        box = Box(findings[row], left, top, right - left, bottom - top)
        place = f"{table.path.name}, {table.unit} {table.lines[row]}"
        yield DrawnBox(images[row], box, sizes.get(images[row]), place)


def _sizes(path: Path) -> dict[str, tuple[float, float]]:
    """Return the width and height of the originals, where their table is there."""
    if not path.is_file():
        return {}
    table = read_table(path)
    found = {}
    for row, cells in enumerate(zip(table["dim1"], table["dim0"], strict=True)):
        width, height = _numbers(table, row, cells, "a size")
        if min(width, height) <= 0:
            raise DataError(f"{table.place(row)}: a size is above 0, not {', '.join(cells)}")
        found[table["image_id"][row]] = (width, height)
    return found


def _numbers(table: Table, row: int, cells: tuple[str, ...], what: str) -> list[float]:
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = []
    if not numbers or not np.isfinite(numbers).all():
        raise DataError(
            f"{table.place(row)}: {what} is {len(cells)} numbers, not {', '.join(cells)}"
        )
    return numbers


def _places(root: Path) -> dict[str, str]:
    """Return where the image of each id lies."""
    found: dict[str, str] = {}
    for folder in ("train", "test", "images"):
        if (root / folder).is_dir():
            for entry in os.scandir(root / folder):
                if is_image_name(entry.name):
                    found.setdefault(entry.name.partition(".")[0], f"{folder}/{entry.name}")
    return found
