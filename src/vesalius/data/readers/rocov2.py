"""ROCOv2: radiology figures of open-access articles, with captions and UMLS concepts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.splits import split_name
from vesalius.data.tables.table import read_table, text_column

PARTS = ("train", "valid", "test")
PLACES = ("{0}", "{0}_images/{0}", "{0}_images")  # the last two: where the archives unpack to
CONCEPTS = {"cuis": "{}_concepts.csv", "manual_cuis": "{}_concepts_manual.csv"}


class Row(NamedTuple):
    """A figure: its id, image and caption, its split, its concepts by kind."""

    case_id: str
    image: str
    caption: str
    split: str
    concepts: tuple[str, ...]


def rocov2(root: Path) -> CaseSet:
    """Read ``{train,valid,test}_captions.csv`` (``ID,Caption``) and ``{train,valid,test}/ID.jpg``.

    Patients are not known; the source has splits and no labels. The concepts of
    ``{split}_concepts.csv`` and ``{split}_concepts_manual.csv`` (``ID,CUIs``), where they are, are
    the attributes ``cuis`` and ``manual_cuis``, joined by ``|``. A split that is not there is not
    read.

    Args:
        root: the folder of the tables; images lie in ``train/`` or ``train_images/train/``.

    Raises:
        DataError: there is no table of captions, a column is missing, or no image is there.
    """
    rows = [row for part in PARTS for row in _rows(root, part)]
    if not rows:
        raise DataError(f"{root} has no {' or '.join(f'{part}_captions.csv' for part in PARTS)}")
    return with_images(
        CaseSet(
            case_ids=np.array([row.case_id for row in rows], dtype=np.str_),
            images=ImageFiles(root, [row.image for row in rows]),
            labels_NC=np.zeros((len(rows), 0)),
            texts=np.array([row.caption or None for row in rows], dtype=object),
            splits=np.array([row.split for row in rows], dtype="<U10"),
            attributes={
                kind: text_column([row.concepts[place] for row in rows])
                for place, kind in enumerate(CONCEPTS)
                if any(row.concepts[place] for row in rows)
            },
            source="rocov2",
        )
    )


def _rows(root: Path, part: str) -> Iterator[Row]:
    captions = root / f"{part}_captions.csv"
    if not captions.is_file():
        return
    table = read_table(captions)
    split = split_name(part, str(captions))
    concepts = [_concepts(root / name.format(part)) for name in CONCEPTS.values()]
    places = [place.format(part) for place in PLACES]
    folder = next((place for place in places if (root / place).is_dir()), part)
    for case_id, caption in zip(table["ID"], table["Caption"], strict=True):
        image = inside(root, f"{folder}/{case_id}.jpg")
        yield Row(case_id, image, caption, split, tuple(own.get(case_id, "") for own in concepts))


def _concepts(file: Path) -> dict[str, str]:
    """Return the concepts of each figure, joined by ``|``; nothing where there is no file."""
    if not file.is_file():
        return {}
    table = read_table(file)
    parts = ([cui.strip() for cui in cell.split(";")] for cell in table["CUIs"])
    return dict(zip(table["ID"], map("|".join, parts), strict=True))
