"""NIH ChestX-ray14: chest films with 14 findings mined from reports, and radiologists' boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, CaseSet, DataError, Regions
from vesalius.data.images import SUFFIXES, ImageFiles, inside, with_images
from vesalius.data.rows import only, read_rows
from vesalius.data.vocabulary import NIH

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOX_SIDE = 1024  # the boxes' pixels are those of 1024×1024 images
SAME = {"Infiltrate": "Infiltration"}  # as the box list spells it


def nih_cxr14(root: Path, *, no_finding: bool = False) -> CaseSet:
    """Read ``Data_Entry_2017_v2020.csv``, ``images/`` (or ``images_001/images/`` …) and boxes.

    The 14 findings are read by name from ``Finding Labels``; a case that does not name one does
    not have it, as the set's makers say. ``no_finding`` adds the source's "No Finding" as a
    label. Splits come from ``train_val_list.txt`` and ``test_list.txt`` where they are. Boxes are
    scaled from the 1024×1024 originals to the images at hand.

    Raises:
        DataError: a file, column or finding is not known, or no image is there.
    """
    table = only(root, TABLES)
    rows = read_rows(table, ("Image Index", "Finding Labels", "Patient ID"))
    names = (*NIH, "No Finding") if no_finding else NIH
    known = {*NIH, "No Finding"}
    labels_NC = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        for finding in row["Finding Labels"].split("|"):
            if finding not in known:
                raise DataError(
                    f"{table}, row {number + 2}: unknown finding {finding!r}; "
                    f"choose one of {', '.join(sorted(known))}"
                )
            if finding in names:
                labels_NC[number, names.index(finding)] = 1.0
    files = [row["Image Index"] for row in rows]
    where = _places(root)
    paths = [inside(root, where.get(file, f"images/{file}")) for file in files]
    columns = {"age": "Patient Age", "sex": "Patient Gender", "view": "View Position"}
    cases = with_images(
        CaseSet(
            case_ids=np.array(files, dtype=np.str_),
            images=ImageFiles(root, paths),
            labels_NC=labels_NC,
            label_names=names,
            patient_ids=np.array([row["Patient ID"] for row in rows], dtype=np.str_),
            splits=_splits(root, files),
            attributes={
                name: np.array([row[column] for row in rows], dtype=np.str_)
                for name, column in columns.items()
                if column in rows[0]
            },
            source="nih_cxr14",
        )
    )
    boxes = root / "BBox_List_2017.csv"
    return replace(cases, regions=_regions(boxes, cases)) if boxes.is_file() else cases


def _places(root: Path) -> dict[str, str]:
    """Return where each image lies: in ``images/`` or in ``images_001/images/`` and so on."""
    folders = [root / "images", *sorted(root.glob("images_*/images"))]
    return {
        file.name: file.relative_to(root).as_posix()
        for folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES
    }


def _splits(root: Path, files: list[str]) -> NDArray[np.str_] | None:
    lists = {"train": root / "train_val_list.txt", "test": root / "test_list.txt"}
    if not all(path.is_file() for path in lists.values()):
        return None
    side = {
        name.strip(): split
        for split, path in lists.items()
        for name in path.read_text(encoding="utf-8").splitlines()
    }
    missing = [file for file in files if file not in side]
    if missing:
        raise DataError(f"{root}: {missing[0]!r} is in neither split list")
    return np.array([side[file] for file in files], dtype=np.str_)


def _regions(table: Path, cases: CaseSet) -> Regions:
    """Read the boxes; the header is ``Bbox [x,y,w,h]``, whose commas part its columns."""
    rows = read_rows(table, ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"))
    boxes: dict[str, list[Box]] = {}
    place = {str(case_id): i for i, case_id in enumerate(cases.case_ids)}
    for number, row in enumerate(rows, 2):
        i = place.get(row["Image Index"])
        if i is None:
            continue
        try:
            x, y, width, height = (float(row[c]) for c in ("Bbox [x", "y", "w", "h]"))
        except ValueError:
            raise DataError(f"{table}, row {number}: a box needs four numbers") from None
        across, down = _scale(cases, i)
        label = SAME.get(row["Finding Label"], row["Finding Label"])
        box = Box(label, x * across, y * down, width * across, height * down)
        boxes.setdefault(row["Image Index"], []).append(box)
    return Regions([tuple(boxes.get(str(case_id), ())) for case_id in cases.case_ids])


def _scale(cases: CaseSet, index: int) -> tuple[float, float]:
    """Return how much smaller the image at hand is than the boxes' original."""
    from PIL import Image, UnidentifiedImageError

    assert isinstance(cases.images, ImageFiles)
    try:
        with Image.open(cases.images.root / cases.images.paths[index]) as image:
            return image.width / BOX_SIDE, image.height / BOX_SIDE
    except (UnidentifiedImageError, OSError):
        return 1.0, 1.0
