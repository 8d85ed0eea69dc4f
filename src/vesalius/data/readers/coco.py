"""COCO: a JSON of images, categories and boxes, which most annotation tools write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import Box, CaseSet, DataError
from vesalius.data.images import ImageFiles
from vesalius.data.images.drawn_boxes import DrawnBox, with_boxes
from vesalius.data.images.presence import faults_of, inside, with_images
from vesalius.data.patients import patients_in
from vesalius.data.tables.text_file import read_json

LISTS = ("images", "annotations", "categories")
NEEDED = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id", "bbox"),
          "categories": ("id", "name")}  # fmt: skip
FOLDERS = ("", "annotations")  # where the file may lie
LARGEST = 1e7  # pixels: no image has such a side
Entry = Mapping[str, Any]


def coco(
    root: Path, *, file: str | None = None, images: str | None = None, patient_id: str | None = None
) -> CaseSet:
    """Read the boxes of a COCO file: ``images``, ``annotations`` with ``bbox``, ``categories``.

    The categories are the labels: 1 where an image has a box of one, else 0, since every image was
    looked through for all of them. A box, [left, top, width, height], is in pixels of an image of
    the size that the file declares, and is scaled where the image at hand has another. Polygons
    and keypoints are not read.

    Args:
        root: the folder of the file and the images, or the file itself.
        file: the JSON file; by default the only one in the folder or in ``annotations/``.
        images: folder of the images; by default the root, ``images/`` or the file's own folder.
        patient_id: a pattern whose first group is the patient in an image's path, such as
            ``([0-9]+)_``.

    Raises:
        DataError: there is no such file, or an entry is not what it must be; the message has its
            number.
    """
    folder = root.parent if root.is_file() else root
    path = root if root.is_file() else _file(root, file)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(n), list) for n in LISTS):
        raise DataError(f"{path} is no COCO file: it needs the lists {', '.join(LISTS)}")
    listed = [(own, str(own["file_name"])) for own in _entries(path, content, "images")]
    name_of = {str(own["id"]): str(own["name"]) for own in _entries(path, content, "categories")}
    file_of = {str(own["id"]): own for own, _ in listed}
    drawn = list(_drawn(path, content, file_of, name_of))
    label_names = tuple(dict.fromkeys(name_of.values()))
    found = {(own.case_id, own.box.label) for own in drawn}
    names = [name for _, name in listed]
    base = _base(folder, path, names) if images is None else inside(folder, images)
    cases = CaseSet(
        case_ids=np.array(names, dtype=np.str_),
        images=ImageFiles(folder, [inside(folder, f"{base}/{name}") for name in names]),
        labels_NC=np.array(
            [[float((name, label) in found) for label in label_names] for name in names]
        ).reshape(len(names), len(label_names)),
        label_names=label_names,
        patient_ids=None if patient_id is None else patients_in(names, patient_id),
        source=f"coco {path.name}",
    )
    return with_boxes(with_images(cases), drawn)


def _entries(path: Path, content: Mapping[str, Any], kind: str) -> list[Entry]:
    """Return the entries of a list; DataError for the first that lacks what it needs."""
    for number, entry in enumerate(content[kind], 1):
        missing = [n for n in NEEDED[kind] if not isinstance(entry, dict) or n not in entry]
        if missing:
            raise DataError(f"{path}, {kind} entry {number}: it has no {missing[0]!r}")
    if not content[kind] and kind == "images":
        raise DataError(f"{path} names no images")
    return list(content[kind])


def _drawn(
    path: Path, content: Mapping[str, Any], file_of: Mapping[str, Entry], name_of: Mapping[str, str]
) -> Iterator[DrawnBox]:
    for number, entry in enumerate(_entries(path, content, "annotations"), 1):
        place = f"{path.name}, annotations entry {number}"
        image, name = file_of.get(str(entry["image_id"])), name_of.get(str(entry["category_id"]))
        if image is None or name is None:
            lacking = "image_id" if image is None else "category_id"
            raise DataError(f"{path}: {place}: {lacking} {entry[lacking]!r} is not in its list")
        corners = entry["bbox"]
        if not isinstance(corners, list) or len(corners) != 4 or not all(map(_plain, corners)):
            raise DataError(f"{path}: {place}: a bbox is four numbers, not {corners!r}")
        x, y, width, height = map(float, corners)
        box = Box(name, x, y, width, height)
        yield DrawnBox(str(image["file_name"]), box, _canvas(image), place)


def _canvas(image: Entry) -> tuple[float, float] | None:
    """Return the width and height that the file declares, where it does."""
    size = [image.get("width", 0), image.get("height", 0)]
    if not all(_plain(side) and side > 0 for side in size):
        return None
    return float(size[0]), float(size[1])


def _plain(value: Any) -> bool:
    """Say whether a value is a number that pixels can be counted in."""
    return isinstance(value, int | float) and -LARGEST < value < LARGEST


def _file(root: Path, file: str | None) -> Path:
    if file is not None:
        path = root / inside(root, file)
        if not path.is_file():
            raise DataError(f"{root} has no {file}")
        return path
    found = [p for name in FOLDERS for p in sorted((root / name).glob("*.json"))]
    if len(found) != 1:
        named = ", ".join(str(p.relative_to(root)) for p in found) or "no JSON file at all"
        raise DataError(f"{root} has {named}; say which is the COCO file with file=…")
    return found[0]


def _base(root: Path, path: Path, names: list[str]) -> str:
    """Return the folder in which the first images are, as far as any is there."""
    own = path.parent.relative_to(root) if path.is_relative_to(root) else Path()
    for folder in dict.fromkeys(("", "images", own.as_posix())):
        paths = [inside(root, f"{folder or '.'}/{name}") for name in names[:50]]
        if not all(faults_of(root, paths)):
            return folder or "."
    return "."
