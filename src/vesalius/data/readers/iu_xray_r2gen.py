"""R2Gen's ``annotation.json``: reports with the paths of their films, for IU-Xray and MIMIC-CXR."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.readers.iu_xray_xml import FILMS
from vesalius.data.splits import split_name
from vesalius.data.tables.text_file import read_json

FILE = "annotation.json"
ORDER = ("train", "val", "test")  # of the lists, for a key that says nothing
IMAGES = ("images", "files", ".")


class Row(NamedTuple):
    """A film: its path, its report and study, its patient (``""`` where unknown), its split."""

    path: str
    report: str
    study: str
    patient: str
    split: str


def iu_xray_r2gen(root: Path, *, films: Literal["all", "first"] = "all") -> CaseSet:
    """Read ``annotation.json``: lists ``train``, ``val``, ``test`` of ``id, report, image_path[]``.

    IU-Xray and MIMIC-CXR come in this form. The patient is ``subject_id`` (MIMIC-CXR) or the
    report's number at the head of the ``id`` (``CXR2384_IM-0942``, IU-Xray). There are no labels.
    A row's own ``split`` counts where the key of its list is blank, as in a copy in the wild; a
    list with neither is the one that its place says.

    Args:
        root: the folder of ``annotation.json``; images lie in ``images/`` or ``files/``.
        films: all films of a report, or the first that it names.

    Raises:
        DataError: the file is missing or not of this layout, or no image is there.
    """
    if films not in FILMS:
        raise unknown("films", films, FILMS)
    path = root if root.is_file() else root / FILE
    folder = path.parent
    rows = list(_rows(path, first=films == "first"))
    if not rows:
        raise DataError(f"{path} names no image")
    images = next(place for place in IMAGES if (folder / place).is_dir())
    patients = [row.patient for row in rows]
    return with_images(
        CaseSet(
            case_ids=np.array([row.path for row in rows], dtype=np.str_),
            images=ImageFiles(folder, [inside(folder, f"{images}/{row.path}") for row in rows]),
            labels_NC=np.zeros((len(rows), 0)),
            patient_ids=np.array(patients, dtype=np.str_) if any(patients) else None,
            texts=np.array([row.report or None for row in rows], dtype=object),
            splits=np.array([row.split for row in rows], dtype="<U10"),
            attributes={"study": np.array([row.study for row in rows], dtype=np.str_)},
            source="iu_xray_r2gen",
        )
    )


def _rows(path: Path, *, first: bool) -> Iterator[Row]:
    lists = read_json(path)
    if not isinstance(lists, dict) or not all(isinstance(own, list) for own in lists.values()):
        raise DataError(f"{path} is not an object of lists ({', '.join(ORDER)})")
    for place, (key, own) in enumerate(lists.items()):
        for number, row in enumerate(own):
            where = f"{path}, {key!r}, entry {number}"
            if not isinstance(row, dict):
                raise DataError(f"{where}: a {type(row).__name__}, not an object")
            study, report = _field(row, "id", where), _field(row, "report", where)
            images = row.get("image_path")
            if not isinstance(images, list) or not all(isinstance(i, str) and i for i in images):
                raise DataError(f"{where}: image_path is no list of paths, but {images!r}")
            split = _split(row, key, place, where)
            for image in images[:1] if first else images:
                text = " ".join(report.split())
                yield Row(image, text, study, _patient(row, study), split)


def _field(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str | int):
        raise DataError(f"{where}: {name} is {value!r}, not text")
    return str(value)


def _split(row: Mapping[str, Any], key: str, place: int, where: str) -> str:
    """Return the split that the key, the row itself or else the list's place says."""
    own = str(row.get("split") or "").strip()
    named = split_name(key, f"{where}: key") if key.strip() else ""
    said = split_name(own, where) if own else ""
    if named and said and named != said:
        raise DataError(f"{where}: split {own!r} stands in the list of {key!r}")
    if not (named or said) and place >= len(ORDER):
        raise DataError(f"{where}: neither the key nor the entry says the split")
    return named or said or split_name(ORDER[place], where)


def _patient(row: Mapping[str, Any], study: str) -> str:
    if row.get("subject_id") is not None:
        return str(row["subject_id"])
    found = re.match(r"CXR\d+", study)
    return found.group() if found else ""
