"""IU-Xray / Open-I, in the layout of its publisher: one XML a report (ECGEN) and PNG images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.readers.iu_xray import TEXTS, coded_findings
from vesalius.data.tables.vocabulary import CHEXPERT
from vesalius.data.tables.xml_tree import read_xml

REPORTS = ("ecgen-radiology", "NLMCXR_reports/ecgen-radiology", ".")
IMAGES = ("NLMCXR_png", "images/NLMCXR_png", "images/images_normalized", "images", ".")
FILMS = ("all", "first")


class Report(NamedTuple):
    """A report: its file and id, its sections by name, its coding, the films that it names."""

    file: str
    uid: str
    sections: Mapping[str, str]
    major: tuple[str, ...]
    automatic: tuple[str, ...]
    films: tuple[str, ...]


def iu_xray_xml(
    root: Path,
    *,
    films: Literal["all", "first"] = "all",
    text: Literal["findings", "impression", "findings+impression"] = "findings+impression",
) -> CaseSet:
    """Read ``ecgen-radiology/*.xml`` and the films that they name, in ``NLMCXR_png/``.

    Labels are the 14 CheXpert findings from the manual coding (``MeSH/major``), as the reader
    ``iu_xray`` has them; the machine's ``MeSH/automatic`` is an attribute, joined by ``|``. The
    XML does not say which film is frontal. The patient is the report (``uId``): the source has no
    other notion of one. A report that names no film is listed as skipped.

    Args:
        root: the folder of ``ecgen-radiology/``; images lie in ``NLMCXR_png/`` or ``images/``,
            as ``CXR1_1_IM-0001-3001.png`` or under the name of the Kaggle set.
        films: all films of a report, or the first that it names (mostly the frontal one).
        text: the sections of the report, joined by a blank; a report with neither has no text.

    Raises:
        DataError: there is no report, one is broken, or no image is there.
    """
    if films not in FILMS:
        raise unknown("films", films, FILMS)
    if text not in TEXTS:
        raise unknown("text", text, TEXTS)
    reports = _reports(root)
    shown = [(r, film) for r in reports for film in (r.films[:1] if films == "first" else r.films)]
    folder = next(f for f in IMAGES if (root / f).is_dir())
    there = {entry.name for entry in os.scandir(root / folder)}
    images = [inside(root, f"{folder}/{_name(film, there)}") for _, film in shown]
    return with_images(
        CaseSet(
            case_ids=np.array([film for _, film in shown], dtype=np.str_),
            images=ImageFiles(root, images),
            labels_NC=np.array([coded_findings(r.major) for r, _ in shown]).reshape(
                -1, len(CHEXPERT)
            ),
            label_names=CHEXPERT,
            patient_ids=np.array([r.uid for r, _ in shown], dtype=np.str_),
            texts=np.array([_text(r, text) for r, _ in shown], dtype=object),
            attributes={"automatic": np.array(["|".join(r.automatic) for r, _ in shown], object)},
            skipped=tuple(Skipped(r.file, "names no image") for r in reports if not r.films),
            source="iu_xray_xml",
        )
    )


def _reports(root: Path) -> list[Report]:
    """Read the reports in the order of their numbers."""
    found = next((f for name in REPORTS if (f := sorted((root / name).glob("*.xml")))), [])
    if not found:
        raise DataError(f"{root} has no ecgen-radiology/*.xml")
    return [_report(path) for path in sorted(found, key=lambda p: (len(p.stem), p.stem))]


def _report(path: Path) -> Report:
    tree = read_xml(path)
    uid = tree.find("uId")
    films = (film.get("id", "").strip() for film in tree.iter("parentImage"))
    return Report(
        file=path.name,
        uid=(uid.get("id", "").strip() if uid is not None else "") or path.stem,
        sections={
            section.get("Label", "").strip().lower(): " ".join("".join(section.itertext()).split())
            for section in tree.iter("AbstractText")
        },
        major=tuple(term.text or "" for term in tree.iter("major")),
        automatic=tuple(" ".join((term.text or "").split()) for term in tree.iter("automatic")),
        films=tuple(film for film in films if film),
    )


def _name(film: str, there: set[str]) -> str:
    """Return the file of a film: its id with a suffix, or without ``CXR`` as Kaggle names it."""
    names = (f"{film}.png", f"{film}.jpg", f"{film.removeprefix('CXR')}.dcm.png")
    return next((name for name in names if name in there), names[0])


def _text(report: Report, text: str) -> str | None:
    return " ".join(filter(None, (report.sections.get(name) for name in text.split("+")))) or None
