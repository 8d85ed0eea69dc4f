"""IU-Xray / Open-I, in the layout of the Kaggle set: two CSVs and PNG images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.table import Table, first_of, read_table
from vesalius.data.tables.vocabulary import CHEXPERT, OPEN_I, OPEN_I_UNCODED

REPORTS, PROJECTIONS = "indiana_reports.csv", "indiana_projections.csv"
IMAGES = ("images/images_normalized", "images", "images_normalized")
VIEWS = ("Frontal", "Lateral", "all")
TEXTS = ("findings", "impression", "findings+impression")


def iu_xray(
    root: Path,
    *,
    projection: Literal["Frontal", "Lateral", "all"] = "Frontal",
    text: Literal["findings", "impression", "findings+impression"] = "findings+impression",
) -> CaseSet:
    """Read ``indiana_reports.csv``, ``indiana_projections.csv``, ``images/images_normalized/``.

    Labels are the 14 CheXpert findings, by name from the manual coding (``MeSH`` and ``Problems``;
    the words of each finding are ``vocabulary.OPEN_I``): a coded report that does not name a
    finding does not have it; a report that was not coded is unknown in all. The patient is the
    report (``uid``): the source has no other notion of one.

    Args:
        root: the folder of the two tables; images lie in ``images/images_normalized/`` or
            ``images/``.
        projection: which films to take; ``all`` gives several cases a report.
        text: the sections of the report, joined by a blank; a report with neither has no text.

    Raises:
        DataError: a file or column is missing, or no image is there.
    """
    if projection not in VIEWS:
        raise unknown("projection", projection, VIEWS)
    if text not in TEXTS:
        raise unknown("text", text, TEXTS)
    reports = read_table(first_of(root, (REPORTS,)))
    films = read_table(first_of(root, (PROJECTIONS,)))
    report_of = {uid: row for row, uid in enumerate(reports["uid"])}
    views, files = films["projection"], films["filename"]
    rows = [row for row, view in enumerate(views) if projection in ("all", view)]
    if not rows:
        raise DataError(f"{films.path} has no film with projection {projection!r}")
    uids = [films["uid"][row] for row in rows]
    for row, uid in zip(rows, uids, strict=True):
        if uid not in report_of:
            raise DataError(f"{films.place(row)}: uid {uid!r} has no report in {REPORTS}")
    own = [report_of[uid] for uid in uids]
    texts, states = _texts(reports, text), _states(reports)
    folder = next((f for f in IMAGES if (root / f).is_dir()), IMAGES[0])
    return with_images(
        CaseSet(
            case_ids=np.array([files[row] for row in rows], dtype=np.str_),
            images=ImageFiles(root, [inside(root, f"{folder}/{files[row]}") for row in rows]),
            labels_NC=states[own],
            label_names=CHEXPERT,
            patient_ids=np.array(uids, dtype=np.str_),
            texts=texts[own],
            attributes={"view": np.array([views[row] for row in rows], dtype=np.str_)},
            source="iu_xray",
        )
    )


def coded_findings(terms: Iterable[str]) -> list[float]:
    """Return 1, 0 or NaN for each CheXpert finding, from the terms of a report's coding.

    >>> found = coded_findings(["Cardiomegaly/borderline", "Thickening/pleura/apex/left"])
    >>> [name for name, state in zip(CHEXPERT, found) if state]
    ['Cardiomegaly', 'Pleural Other']
    >>> coded_findings(["No Indexing"])[0]
    nan
    """
    said: set[str] = set()
    for term in terms:
        heading, *qualifiers = (" ".join(part.lower().split()) for part in term.split("/"))
        said.update([heading, *(f"{heading}/{qualifier}" for qualifier in qualifiers)])
    if said.issubset(OPEN_I_UNCODED):
        return [float("nan")] * len(CHEXPERT)
    found = {name for name, words in OPEN_I.items() if not said.isdisjoint(words)}
    if len(found) > 1:
        found.discard("No Finding")
    return [float(name in found) for name in CHEXPERT]


def _states(reports: Table) -> np.ndarray:
    coding = zip(reports["MeSH"], reports["Problems"], strict=True)
    return np.array([coded_findings(f"{mesh};{problems}".split(";")) for mesh, problems in coding])


def _texts(reports: Table, text: str) -> np.ndarray:
    sections = [reports[name] for name in text.split("+")]
    joined = (" ".join(filter(None, parts)) or None for parts in zip(*sections, strict=True))
    return np.array(list(joined), dtype=object)
