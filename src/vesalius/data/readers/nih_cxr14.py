"""NIH ChestX-ray14: chest films with 14 findings mined from reports, and radiologists' boxes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, CaseSet, DataError, ImageError, Regions, Skipped
from vesalius.data.images import ImageFiles, image_size
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.table import Table, first_of, read_table, read_text
from vesalius.data.tables.vocabulary import NIH

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
BOXES = "BBox_List_2017.csv"
BOX_COLUMNS = ("Bbox [x", "y", "w", "h]")  # the header "Bbox [x,y,w,h]", parted at its commas
BOX_SIDE = 1024  # the boxes are in pixels of 1024×1024 images
SPELLINGS = {"Infiltrate": "Infiltration"}  # in the list of boxes
NO_FINDING = "No Finding"


def nih_cxr14(root: Path, *, no_finding: bool = False) -> CaseSet:
    """Read ``Data_Entry_2017_v2020.csv``, ``images/`` and, where they are, boxes and split lists.

    The 14 findings are read by name from ``Finding Labels``; a film that does not name one does
    not have it (Wang et al. 2017), so "No Finding" is 0 in all. Images lie in ``images/`` or
    ``images_001/images/`` and so on. ``train_val_list.txt`` and ``test_list.txt`` give the splits
    train and test. Boxes of ``BBox_List_2017.csv`` are scaled from 1024×1024 to the image at hand.

    Args:
        root: the folder of the tables.
        no_finding: add the source's "No Finding" as a label.

    Raises:
        DataError: a file, column or finding is not known, or no image is there.
    """
    table = read_table(first_of(root, TABLES))
    files = table["Image Index"]
    names = (*NIH, NO_FINDING) if no_finding else NIH
    where = _places(root)
    cases = with_images(
        CaseSet(
            case_ids=np.array(files, dtype=np.str_),
            images=ImageFiles(root, [inside(root, where.get(f, f"images/{f}")) for f in files]),
            labels_NC=_states(table, names),
            label_names=names,
            patient_ids=np.array(table["Patient ID"], dtype=np.str_),
            splits=_splits(root, files),
            attributes=_attributes(table),
            source="nih_cxr14",
        )
    )
    boxes = root / BOXES
    return _with_boxes(cases, read_table(boxes)) if boxes.is_file() else cases


def _states(table: Table, names: tuple[str, ...]) -> NDArray[np.float64]:
    place = {name: i for i, name in enumerate(names)}
    known = {*NIH, NO_FINDING}
    states_NC = np.zeros((len(table), len(names)))
    for row, cell in enumerate(table["Finding Labels"]):
        for finding in cell.split("|"):
            if finding not in known:
                raise DataError(
                    f"{table.place(row)}: unknown finding {finding!r}; "
                    f"choose one of {', '.join(sorted(known))}"
                )
            if finding in place:
                states_NC[row, place[finding]] = 1.0
    return states_NC


def _attributes(table: Table) -> dict[str, NDArray[Any]]:
    """Return age in years (NaN where it is no number), sex and view, as far as they are there."""
    columns = {"sex": "Patient Gender", "view": "View Position"}
    found: dict[str, NDArray[Any]] = {
        name: np.array(table[c], np.str_) for name, c in columns.items() if c in table
    }
    if "Patient Age" not in table:
        return found
    ages = [cell.rstrip("Y") for cell in table["Patient Age"]]  # 58, or 058Y in the first release
    return {"age": np.array([float(a) if a.isdecimal() else np.nan for a in ages]), **found}


def _places(root: Path) -> dict[str, str]:
    """Return where each image lies: in ``images/`` or in ``images_001/images/`` and so on."""
    parts = ("images", *sorted(f"{p.name}/images" for p in root.glob("images_*")))
    folders = [part for part in parts if (root / part).is_dir()]
    return {e.name: f"{folder}/{e.name}" for folder in folders for e in os.scandir(root / folder)}


def _splits(root: Path, files: list[str]) -> NDArray[np.str_] | None:
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    if not lists:
        return None
    if len(lists) < len(LISTS):
        missing = next(name for split, name in LISTS.items() if split not in lists)
        raise DataError(f"{root} has one list of the split, but no {missing}")
    split_of: dict[str, str] = {}
    for split, path in lists.items():
        for name in read_text(path).split():
            if split_of.setdefault(name, split) != split:
                raise DataError(f"{path}: {name!r} is in both {' and '.join(LISTS.values())}")
    for file in files:
        if file not in split_of:
            raise DataError(f"{root}: {file!r} is in neither {' nor '.join(LISTS.values())}")
    return np.array([split_of[file] for file in files], dtype="<U10")


def _with_boxes(cases: CaseSet, table: Table) -> CaseSet:
    """Add the boxes of the cases at hand; boxes of an unreadable image are listed as skipped."""
    place = {str(case_id): i for i, case_id in enumerate(cases.case_ids)}
    boxes: list[list[Box]] = [[] for _ in cases.case_ids]
    skipped = []
    for row, file in enumerate(table["Image Index"]):
        (x, y, width, height), label = _corners(table, row), _box_label(table, row)
        index = place.get(file)
        if index is None:
            continue
        try:
            across, down = _scale(cases, index)
        except ImageError as error:
            skipped.append(Skipped(f"{BOXES}: {file}", f"box left out: {error}"))
            continue
        boxes[index].append(Box(label, x * across, y * down, width * across, height * down))
    regions = Regions([tuple(own) for own in boxes])
    return replace(cases, regions=regions, skipped=(*cases.skipped, *skipped))


def _corners(table: Table, row: int) -> list[float]:
    cells = [table[column][row] for column in BOX_COLUMNS]
    try:
        corners = [float(cell) for cell in cells]
    except ValueError:
        corners = []
    if not corners or not np.isfinite(corners).all():
        raise DataError(f"{table.place(row)}: a box is four numbers, not {', '.join(cells)}")
    return corners


def _box_label(table: Table, row: int) -> str:
    label = table["Finding Label"][row]
    label = SPELLINGS.get(label, label)
    if label not in NIH:
        raise DataError(
            f"{table.place(row)}: unknown finding {label!r}; choose one of {', '.join(NIH)}"
        )
    return label


def _scale(cases: CaseSet, index: int) -> tuple[float, float]:
    """Return how much smaller the image at hand is than the boxes' original."""
    assert isinstance(cases.images, ImageFiles)
    width, height = image_size(cases.images.root / cases.images.paths[index])
    return width / BOX_SIDE, height / BOX_SIDE
