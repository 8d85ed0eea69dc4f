"""VQA-RAD: clinicians' questions and answers about radiology images (Lau et al. 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.json_list import read_json_list
from vesalius.data.tables.questions import (
    Asked,
    Questions,
    by_image,
    by_image_and_split,
    read_questions,
)
from vesalius.data.tables.table import Table

PUBLIC = "VQA_RAD Dataset Public.json"
MEVF = {"train": "trainset.json", "test": "testset.json"}
IMAGES = ("images", "VQA_RAD Image Folder", "VQA_RAD Images")
SPLITS = ("image", "published")
STRONGEST = ("test", "train")


def vqa_rad(root: Path, *, split: Literal["image", "published"] = "image") -> CaseSet:
    """Read ``VQA_RAD Dataset Public.json``, or ``trainset.json`` and ``testset.json`` as of MEVF.

    In the public file a question is in test where its ``phrase_type`` starts with ``test_``, else
    in train. The published split parts *questions*: nearly two of three images have questions on
    both sides, so that a model has seen the test images. Images lie in ``images/`` or
    ``VQA_RAD Image Folder/``. ``organ`` (HEAD, CHEST, ABD) is an attribute. The source names no
    patients: the image stands for the patient. There are no labels.

    Args:
        root: the folder of the questions.
        split: ``image`` gives one case an image with all its questions, in test where any of them
            is a published test question: no image is on both sides, and scores are not comparable
            with published ones. ``published`` keeps the split of questions: an image with
            questions on both sides gives two cases, and ``case_id`` ends in `` (train)`` or
            `` (test)``.

    Raises:
        DataError: a file or column is missing, a row is broken, or no image is there.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    tables = [read_questions(t, image="image_name", split=part) for t, part in _tables(root)]
    asked = [_parted(row) for rows, _ in tables for row in rows]
    if split == "image":
        cases = by_image(asked, first=STRONGEST)
        ids = [case.image for case in cases]
    else:
        cases = by_image_and_split(asked)
        ids = [f"{case.image} ({case.split})" for case in cases]
    organ = {row.image: row.table["image_organ"][row.row] for row in asked}
    folder = next((name for name in IMAGES if (root / name).is_dir()), IMAGES[0])
    return with_images(
        CaseSet(
            case_ids=np.array(ids, dtype=np.str_),
            images=ImageFiles(root, [inside(root, f"{folder}/{case.image}") for case in cases]),
            labels_NC=np.zeros((len(cases), 0)),
            patient_ids=np.array([case.image for case in cases], dtype=np.str_),
            splits=np.array([case.split for case in cases], dtype="<U10"),
            attributes={"organ": np.array([organ[case.image] for case in cases], np.str_)},
            questions=Questions([case.questions for case in cases]),
            skipped=tuple(bad for _, left_out in tables for bad in left_out),
            source="vqa_rad",
        )
    )


def _tables(root: Path) -> list[tuple[Table, str]]:
    """Return the tables at hand and the split of each; of the public one, which holds both, ""."""
    if (root / PUBLIC).is_file():
        return [(read_json_list(root / PUBLIC), "")]
    found = [(name, split) for split, name in MEVF.items() if (root / name).is_file()]
    if not found:
        raise DataError(f"{root} has no {PUBLIC!r}, {' or '.join(MEVF.values())}")
    return [(read_json_list(root / name), split) for name, split in found]


def _parted(row: Asked) -> Asked:
    """Return a row of the public file with its split, which is a part of its ``phrase_type``."""
    if row.split:
        return row
    is_test = row.table["phrase_type"][row.row].lower().startswith("test_")
    return row._replace(split="test" if is_test else "train")
