"""IU-Xray / Open-I, in the layout of the Kaggle set: two CSVs and PNG images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles, inside, with_images
from vesalius.data.rows import only, read_rows
from vesalius.data.vocabulary import CHEXPERT, OPEN_I

REPORTS = ("uid", "MeSH", "Problems", "indication", "comparison", "findings", "impression")
UNCODED = {"", "no indexing", "technical quality of image unsatisfactory"}


def iu_xray(
    root: Path,
    *,
    projection: Literal["Frontal", "Lateral", "all"] = "Frontal",
    text: Literal["findings", "impression", "findings and impression"] = "findings and impression",
) -> CaseSet:
    """Read ``indiana_reports.csv``, ``indiana_projections.csv`` and their images.

    Labels are the 14 CheXpert findings, by name from the manual ``Problems`` coding
    (``vocabulary.OPEN_I``): a coded report that does not name a finding does not have it, a report
    that was not coded is unknown in all. A report (``uid``) is the source's only notion of a
    patient.

    Raises:
        DataError: a file or column is missing, or no image is there.
    """
    if projection not in ("Frontal", "Lateral", "all"):
        raise unknown("projection", projection, ("Frontal", "Lateral", "all"))
    reports = {r["uid"]: r for r in read_rows(only(root, ["indiana_reports.csv"]), REPORTS)}
    table = only(root, ["indiana_projections.csv"])
    rows = read_rows(table, ("uid", "filename", "projection"))
    rows = [r for r in rows if projection in ("all", r["projection"])]
    for row in rows:
        if row["uid"] not in reports:
            raise DataError(f"{table}: uid {row['uid']!r} has no report in indiana_reports.csv")
    folder = next(
        (f for f in ("images/images_normalized", "images") if (root / f).is_dir()),
        "images/images_normalized",
    )
    own = [reports[row["uid"]] for row in rows]
    texts = [" ".join(r[c] for c in text.split(" and ") if r[c]) for r in own]
    return with_images(
        CaseSet(
            case_ids=np.array([row["filename"] for row in rows], dtype=np.str_),
            images=ImageFiles(root, [inside(root, f"{folder}/{row['filename']}") for row in rows]),
            labels_NC=np.array([_states(r["Problems"]) for r in own]).reshape(len(rows), -1),
            label_names=CHEXPERT,
            patient_ids=np.array([row["uid"] for row in rows], dtype=np.str_),
            texts=np.array([t or None for t in texts], dtype=object),
            attributes={"view": np.array([row["projection"] for row in rows], dtype=np.str_)},
            source="iu_xray",
        )
    )


def _states(problems: str) -> list[float]:
    """Return 1, 0 or NaN for each CheXpert finding, from ``Cardiomegaly;Pulmonary Edema``.

    >>> dict(zip(CHEXPERT, _states("Cardiomegaly;lung")))["Cardiomegaly"]
    1.0
    """
    coded = {problem.strip().lower() for problem in problems.split(";")}
    if coded <= UNCODED:
        return [np.nan] * len(CHEXPERT)
    findings = {name for name, words in OPEN_I.items() if coded.intersection(words)}
    if coded == {"normal"}:
        findings.add("No Finding")
    return [float(name in findings) for name in CHEXPERT]
