"""MIMIC-CXR-JPG: chest films of one hospital, with mined findings and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.readers.iu_xray import TEXTS
from vesalius.data.splits import split_name
from vesalius.data.tables.label_columns import read_labels
from vesalius.data.tables.table import Table, first_of, read_table
from vesalius.data.tables.vocabulary import CHEXPERT

NAMES = ("mimic-cxr-2.0.0-{}.csv.gz", "mimic-cxr-2.0.0-{}.csv",
         "mimic-cxr-2.1.0-{}.csv.gz", "mimic-cxr-2.1.0-{}.csv")  # fmt: skip
SECTIONS = ("mimic_cxr_sectioned.csv", "mimic_cxr_sectioned.csv.gz")
VIEWS = {"frontal": ("PA", "AP"), "lateral": ("LATERAL", "LL")}
LABELERS = ("chexpert", "negbio")
KEYS = ("dicom_id", "subject_id", "study_id")


def mimic_cxr_jpg(
    root: Path,
    *,
    labeler: Literal["chexpert", "negbio"] = "chexpert",
    uncertain: Literal["ignore", "ones", "zeros"] = "ignore",
    blank: Literal["unknown", "zeros"] = "unknown",
    views: str | list[str] = "frontal",
    text: Literal["findings", "impression", "findings+impression"] = "findings+impression",
) -> CaseSet:
    """Read ``mimic-cxr-2.0.0-{metadata,chexpert,split}.csv.gz`` and the films under ``files/``.

    The tables may be unpacked (``.csv``). Labels are the 14 CheXpert findings of the study; a
    study without a row is unknown in all, and so is a finding that the report does not mention
    (a blank cell) unless ``blank=zeros`` is asked for. Patients are ``subject_id``. Splits come
    from the split table and texts from ``mimic_cxr_sectioned.csv`` (``study, findings,
    impression, …``; made from the reports by the publisher's script), where they are. Attributes:
    ``view`` and ``study``.

    Args:
        root: the folder of the tables and of ``files/p10/p10000032/s50414267/<dicom_id>.jpg``.
        labeler: which mined labels.
        uncertain: what −1 becomes: unknown (``ignore``), present (``ones``) or absent.
        blank: what a blank cell becomes: unknown or absent (``zeros``).
        views: ``frontal`` (PA, AP), ``lateral`` (LATERAL, LL), ``all``, or ViewPositions.
        text: the sections of the report, joined by a blank; a report with neither has no text.

    Raises:
        DataError: a file, column or value is not what it must be, or no image is there.
    """
    if labeler not in LABELERS:
        raise unknown("labeler", labeler, LABELERS)
    if text not in TEXTS:
        raise unknown("text", text, TEXTS)
    films = read_table(_path(root, "metadata"), columns={*KEYS, "ViewPosition"})
    rows = _rows(films, views)
    dicoms, patients, studies = ([films[key][row] for row in rows] for key in KEYS)
    labels = read_table(_path(root, labeler))
    states = read_labels(labels, CHEXPERT, uncertain=uncertain, blank=blank).states_NC
    folder = "files" if (root / "files").is_dir() else "."
    places = zip(patients, studies, dicoms, strict=True)
    paths = [f"{folder}/p{p[:2]}/p{p}/s{study}/{dicom}.jpg" for p, study, dicom in places]
    return with_images(
        CaseSet(
            case_ids=np.array(dicoms, dtype=np.str_),
            images=ImageFiles(root, [inside(root, path) for path in paths]),
            labels_NC=_of_studies(labels, states, studies),
            label_names=CHEXPERT,
            patient_ids=np.array(patients, dtype=np.str_),
            texts=_texts(root, text, studies),
            splits=_splits(root, dicoms),
            attributes={
                "view": np.array([films["ViewPosition"][row] for row in rows], dtype=np.str_),
                "study": np.array(studies, dtype=np.str_),
            },
            source="mimic_cxr_jpg",
        )
    )


def _path(root: Path, kind: str) -> Path:
    return first_of(root, [name.format(kind) for name in NAMES])


def _rows(films: Table, views: str | list[str]) -> list[int]:
    given = films["ViewPosition"]
    if views == "all":
        return list(range(len(films)))
    wanted = VIEWS.get(views, (views,)) if isinstance(views, str) else tuple(views)
    absent = [view for view in wanted if view not in given]
    if len(absent) == len(wanted) or (absent and wanted not in VIEWS.values()):
        raise unknown("views", "|".join(absent), {*VIEWS, "all", *filter(None, given)})
    return [row for row, view in enumerate(given) if view in wanted]


def _of_studies(
    labels: Table, states_SC: NDArray[np.float64], studies: list[str]
) -> NDArray[np.float64]:
    """Return the states of each film's study; unknown in all where the study has none."""
    place = {study: row for row, study in enumerate(labels["study_id"])}
    if len(place) < len(labels):
        raise DataError(f"{labels.path} has a study_id twice")
    with_none = np.vstack([states_SC, np.full(states_SC.shape[1], np.nan)])
    return with_none[[place.get(study, -1) for study in studies]]


def _splits(root: Path, dicoms: list[str]) -> NDArray[np.str_] | None:
    """Return the published splits, blank for a film without one; None where there is no table."""
    if not any((root / name.format("split")).is_file() for name in NAMES):
        return None
    table = read_table(_path(root, "split"), columns={"dicom_id", "split"})
    means = {name: split_name(name, str(table.path)) for name in set(table["split"]) if name}
    split_of = dict(zip(table["dicom_id"], table["split"], strict=True))
    return np.array([means.get(split_of.get(d, ""), "") for d in dicoms], dtype="<U10")


def _texts(root: Path, text: str, studies: list[str]) -> NDArray[np.object_] | None:
    if not any((root / name).is_file() for name in SECTIONS):
        return None
    names = text.split("+")
    table = read_table(first_of(root, SECTIONS), columns={"study", *names})
    place = {study.removeprefix("s"): row for row, study in enumerate(table["study"])}
    sections = [table[name] for name in names]
    texts: list[str | None] = []
    for study in studies:
        row = place.get(study)
        said = "" if row is None else " ".join(section[row] for section in sections)
        texts.append(" ".join(said.split()) or None)
    return np.array(texts, dtype=object)
