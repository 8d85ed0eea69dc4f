"""SLAKE: bilingual questions and answers about CT, MR and X-ray images (Liu et al. 2021)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vesalius.core import Box, CaseSet, DataError, Regions, Skipped, unknown
from vesalius.data.images import ImageFiles, image_size, under
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.json_list import read_json_list
from vesalius.data.tables.questions import Asked, Questions, by_image, read_questions
from vesalius.data.tables.table import Table, read_text

PARTS = {
    "train": ("train.json",),
    "validation": ("validate.json", "validation.json"),
    "test": ("test.json",),
}
LANGUAGES = ("en", "zh", "all")
BOXES = "detection.json"
DOUBTFUL = 0.05  # of the files with boxes


def slake(root: Path, *, language: Literal["en", "zh", "all"] = "en") -> CaseSet:
    """Read ``train.json``, ``validate.json`` (or ``validation.json``), ``test.json``, ``imgs/``.

    One case an image (``imgs/xmlab1/source.jpg``) with its questions; the published splits part
    images, so an image in two of them is an error. Boxes of organs and lesions are read from
    ``detection.json`` beside the image, where it is: a list of ``{name: [x, y, width, height]}``
    in pixels. ``modality`` and ``location`` are attributes. The masks (``mask.png``) are maps of
    several labels and are not read. Patients are not known: slices of one patient may lie on two
    sides. There are no labels.

    Args:
        root: the folder of the three files.
        language: of the questions: English, Chinese, or all; images without one are left out.

    Raises:
        DataError: a file or column is missing, a row is broken, or no image is there.
    """
    if language not in LANGUAGES:
        raise unknown("language", language, LANGUAGES)
    tables = [read_questions(t, image="img_name", split=part) for t, part in _tables(root)]
    asked = [
        row
        for rows, _ in tables
        for row in rows
        if language in ("all", row.table["q_lang"][row.row].lower())
    ]
    if not asked:
        raise DataError(f"{root} has no question with q_lang {language!r}")
    cases = by_image(asked)
    boxes, skipped = _boxes(root, [case.image for case in cases])
    told = {row.image: row for row in reversed(asked)}
    first = [told[case.image] for case in cases]
    left_out = (bad for _, blank in tables for bad in blank)
    return with_images(
        CaseSet(
            case_ids=np.array([case.image for case in cases], dtype=np.str_),
            images=ImageFiles(root, [inside(root, f"imgs/{case.image}") for case in cases]),
            labels_NC=np.zeros((len(cases), 0)),
            splits=np.array([case.split for case in cases], dtype="<U10"),
            attributes={
                name: np.array([_cell(row, name) for row in first], dtype=np.str_)
                for name in ("modality", "location")
            },
            regions=Regions(boxes) if any(boxes) else None,
            questions=Questions([case.questions for case in cases]),
            skipped=(*left_out, *skipped),
            source=f"slake {language}",
        )
    )


def _tables(root: Path) -> Iterator[tuple[Table, str]]:
    found = {
        split: next((root / name for name in names if (root / name).is_file()), None)
        for split, names in PARTS.items()
    }
    if not any(found.values()):
        raise DataError(f"{root} has no train.json, validate.json or test.json")
    for split, path in found.items():
        if path is not None:
            yield read_json_list(path), split


def _cell(row: Asked, name: str) -> str:
    return row.table[name][row.row] if name in row.table else ""


def _boxes(root: Path, images: list[str]) -> tuple[list[tuple[Box, ...]], tuple[Skipped, ...]]:
    """Read the boxes beside each image; a file that cannot be right is left out and listed.

    Where many cannot be right the numbers mean something else than is thought here (corners, say):
    then none are believed.
    """
    boxes: list[tuple[Box, ...]] = []
    skipped = []
    for image in images:
        own = inside(root, f"imgs/{image}")
        path = under(root, f"{own.rpartition('/')[0]}/{BOXES}")
        try:
            boxes.append(_read_boxes(path, root / own) if path.is_file() else ())
        except DataError as error:
            boxes.append(())
            skipped.append(Skipped(f"imgs/{image}", f"boxes left out: {error}"))
    files = sum(map(bool, boxes)) + len(skipped)
    if len(skipped) > max(1, DOUBTFUL * files):
        reason = f"all boxes left out, since {len(skipped):,} of {files:,} files cannot be right"
        return [() for _ in images], (*skipped, Skipped(BOXES, reason))
    return boxes, tuple(skipped)


def _read_boxes(path: Path, image: Path) -> tuple[Box, ...]:
    try:
        entries = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path} is no list of objects")
    return tuple(
        _box(path, str(name), corners, image_size(image))
        for entry in entries
        for name, corners in entry.items()
    )


def _box(path: Path, name: str, corners: Any, size: tuple[int, int]) -> Box:
    """Return a box that lies within its image, give or take a pixel."""
    if (
        not isinstance(corners, list)
        or len(corners) != 4
        or not all(isinstance(c, int | float) and isfinite(c) for c in corners)
    ):
        raise DataError(f"{path}: a box is four numbers, not {corners!r}")
    x, y, width, height = map(float, corners)
    beyond = max(x + width - size[0], y + height - size[1])
    if min(x, y) < -1 or min(width, height) < 0 or beyond > 1:
        raise DataError(
            f"{path}: box [x, y, width, height] = {corners} of {name!r} leaves its image of "
            f"{size[0]}×{size[1]} pixels"
        )
    return Box(name, x, y, width, height)
