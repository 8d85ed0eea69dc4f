"""DICOM: a folder tree of files, a case per file or frame, and nothing that names a patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, ImageError, Skipped, unknown
from vesalius.data.deidentify import (
    HARMLESS,
    IDS,
    check_keywords,
    harmless,
    pseudonym,
    salt_of,
    text_of,
)
from vesalius.data.images import ImageFiles, kind_of
from vesalius.data.images.address import joined
from vesalius.data.images.dicom_greys import check_window
from vesalius.data.images.dicom_header import check_declared, opened_header, pydicom_package
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.labels_by_file import FileLabels, labels_by_file

FRAMES = ("first", "middle", "all")
SERIES = ("all", "middle")
ORDER = ("InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient")


@dataclass(frozen=True, slots=True)
class Film:
    """One file: its path under the root, frames, ids, what may be told of it, where it lies."""

    path: str
    frames: int
    uid: str
    ids: dict[str, str]
    told: dict[str, str | float]
    phi: dict[str, str]
    along: float
    instance: float


def dicom(
    root: Path,
    *,
    frames: Literal["first", "middle", "all"] = "first",
    series: Literal["all", "middle"] = "all",
    window: str | int | None = None,
    labels_file: str | None = None,
    join: str = "image",
    labels: str | list[str] | None = None,
    salt_file: str | None = None,
    phi: str | list[str] | None = None,
) -> CaseSet:
    """Read every DICOM file under a folder, whatever its suffix; the root may be one file.

    Files of a series stand in the order of their position, else of their instance number.
    ``patient_ids`` and the attributes ``study`` and ``series`` are keyed hashes. Other attributes
    name nobody: modality, view, laterality, body_part, sex, age (years), manufacturer, rows,
    columns. What is not DICOM, has no pixels or is broken is listed as skipped.

    Args:
        root: the folder.
        frames: of a file with several: the ``first``, the ``middle`` one, or ``all`` as cases.
        series: ``all`` files of each series, or its ``middle`` one.
        window: for all files instead of each one's own: ``full``, the number of one of its
            windows, or ``centre,width``.
        labels_file: a table under the root with label columns, and ``text`` and ``split`` if any.
        join: its column that names files: a path under the root, a file name, a SOPInstanceUID.
        labels: its label columns, or one column of categories; by default those of states.
        salt_file: a file with a secret that keys the hashes; see ``deidentify``.
        phi: keywords of DICOM elements to read as attributes though they may name a patient.

    Raises:
        DataError: no image is found, a setting or table is wrong, or pydicom is not installed.
    """
    for name, value, choices in (("frames", frames, FRAMES), ("series", series, SERIES)):
        if value not in choices:
            raise unknown(name, value, choices)
    pydicom_package()
    asked = None if window is None else check_window(str(window), "dicom")
    keywords = [phi] if isinstance(phi, str) else list(phi or [])
    check_keywords(keywords)
    folder, salt = root.parent if root.is_file() else root, salt_of(salt_file)
    table = None if labels_file is None else inside(folder, labels_file)
    films, skipped = _films(root, folder, salt, keywords, passed_over=table)
    if not films:
        reason = f"; the first, {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{root} has no DICOM image{reason}")
    chosen = list(_ordered(films, series))
    found = _labels(folder, table, join, labels, chosen)
    rows, numbers = _frame_rows(chosen, frames)
    return with_images(_cases(folder, chosen, rows, numbers, asked, found, skipped))


def _films(
    root: Path, folder: Path, salt: bytes, phi: list[str], *, passed_over: str | None
) -> tuple[list[Film], list[Skipped]]:
    """Read the header of every file; the table of labels is no film."""
    films: list[Film] = []
    skipped: list[Skipped] = []
    for path in [root] if root.is_file() else sorted(root.rglob("*")):
        own = path.relative_to(folder).as_posix()
        if path.is_dir() or own == passed_over or any(p.startswith(".") for p in Path(own).parts):
            continue
        try:
            if kind_of(path) != "dicom":
                raise ImageError(f"{path} is not a DICOM file")
            films.append(_film(path, own, salt, phi))
        except ImageError as error:
            skipped.append(Skipped(own, str(error).removeprefix(str(path)).lstrip(": ")))
    return films, skipped


def _film(path: Path, own: str, salt: bytes, phi: list[str]) -> Film:
    more = (*IDS, *HARMLESS, *ORDER, "SOPInstanceUID", *phi)
    with opened_header(path, more=more) as header:
        check_declared(header)
        elements = header.elements
        told = harmless(elements)
        told |= {"rows": header.number("Rows"), "columns": header.number("Columns")}
        return Film(
            path=own,
            frames=max(header.number("NumberOfFrames", default=1), 1),
            uid=text_of(elements, "SOPInstanceUID"),
            ids={kind: pseudonym(kind, text_of(elements, k), salt) for k, kind in IDS.items()},
            told=told,
            phi={keyword: text_of(elements, keyword) for keyword in phi},
            along=_along(elements),
            instance=_number(text_of(elements, "InstanceNumber")),
        )


def _along(elements: Any) -> float:
    """Return where a slice lies along the normal of its plane, in mm; NaN where it is not said."""
    position = np.array([_number(v) for v in text_of(elements, ORDER[1]).split("|")])
    plane = np.array([_number(v) for v in text_of(elements, ORDER[2]).split("|")])
    if position.size != 3 or plane.size != 6:
        return float("nan")
    return float(np.cross(plane[:3], plane[3:]) @ position)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _ordered(films: list[Film], series: str) -> Iterator[Film]:
    """Give the films series by series, each in its order, or the middle one of each."""
    groups: dict[str, list[Film]] = {}
    for film in films:  # a file without a series is one of its own
        groups.setdefault(film.ids["series"] or film.path, []).append(film)
    for own in groups.values():
        for key in (lambda film: film.along, lambda film: film.instance):
            if np.isfinite([key(film) for film in own]).all():
                own = sorted(own, key=key)
                break
        yield from own if series == "all" else [own[len(own) // 2]]


def _frame_rows(films: Sequence[Film], frames: str) -> tuple[list[int], list[int | None]]:
    """Return the film of each case, and its frame; None for the first of a file."""
    rows: list[int] = []
    numbers: list[int | None] = []
    for row, film in enumerate(films):
        if frames == "first" or film.frames == 1:
            own: list[int | None] = [None]
        else:
            own = [film.frames // 2 + 1] if frames == "middle" else [*range(1, film.frames + 1)]
        rows += [row] * len(own)
        numbers += own
    return rows, numbers


def _labels(
    folder: Path,
    table: str | None,
    join: str,
    labels: str | list[str] | None,
    films: Sequence[Film],
) -> FileLabels:
    if table is None:
        return FileLabels((), np.zeros((len(films), 0)), "multilabel", None, None, ())
    files, uids = [film.path for film in films], [film.uid for film in films]
    return labels_by_file(folder / table, join, files, uids, labels=labels)


def _cases(
    folder: Path,
    films: Sequence[Film],
    rows: list[int],
    numbers: list[int | None],
    window: str | None,
    found: FileLabels,
    skipped: Sequence[Skipped],
) -> CaseSet:
    pairs = list(zip(rows, numbers, strict=True))
    patients = np.array([films[row].ids["patient"] for row in rows], dtype=np.str_)

    def column(values: list[Any]) -> NDArray[Any]:
        return np.array([values[row] for row in rows])

    attributes = {name: column([film.told[name] for film in films]) for name in films[0].told}
    attributes |= {kind: column([f.ids[kind] for f in films]) for kind in ("study", "series")}
    attributes |= {name: column([film.phi[name] for film in films]) for name in films[0].phi}
    return CaseSet(
        case_ids=np.array([joined(films[row].path, frame=n) for row, n in pairs], np.str_),
        images=ImageFiles(
            folder, [joined(films[row].path, frame=n, window=window) for row, n in pairs]
        ),
        labels_NC=found.states_FC[rows],
        label_names=found.names,
        patient_ids=patients if (patients != "").any() else None,
        texts=None if found.texts is None else found.texts[rows],
        splits=None if found.splits is None else found.splits[rows],
        attributes=attributes,
        skipped=(*skipped, *found.skipped),
        task=found.task,
        source=f"dicom {folder.name}",
    )
