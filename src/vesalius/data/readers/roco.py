"""ROCO v1: radiology images and captions, as published or in PubMedCLIP's CSV form."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside, with_images
from vesalius.data.tables.table import read_table, read_text

SUBSETS = ("radiology", "non-radiology", "all")
SIDES = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}


class Row(NamedTuple):
    """A figure: its id, its image under the root, its caption, keywords and split."""

    case_id: str
    image: str
    caption: str
    keywords: str
    split: str


def roco(
    root: Path, *, subset: Literal["radiology", "non-radiology", "all"] = "radiology"
) -> CaseSet:
    """Read ``data/{train,validation,test}/{radiology,non-radiology}/captions.txt``, ``images/``.

    Where a split has no ``captions.txt``, PubMedCLIP's ``radiology{train,val,test}data.csv``
    (``id,name,caption``) is read: in the root, in the split's folder or in the subset's. Patients
    are not known; the source has splits and no labels. ``keywords`` are an attribute, joined by
    ``|``.

    Args:
        root: the folder of ``data/``, or that folder itself.
        subset: radiology, non-radiology (illustrations, photographs …) or all.

    Raises:
        DataError: neither layout is there, a line is broken, or no image is there.
    """
    if subset not in SUBSETS:
        raise unknown("subset", subset, SUBSETS)
    base = root / "data" if (root / "data").is_dir() else root
    kinds = SUBSETS[:2] if subset == "all" else (subset,)
    rows = [row for kind in kinds for split in SIDES for row in _rows(base, kind, split)]
    if not rows:
        raise DataError(
            f"{base} has neither train/{kinds[0]}/captions.txt nor {kinds[0]}traindata.csv"
        )
    return with_images(
        CaseSet(
            case_ids=np.array([row.case_id for row in rows], dtype=np.str_),
            images=ImageFiles(base, [row.image for row in rows]),
            labels_NC=np.zeros((len(rows), 0)),
            texts=np.array([row.caption or None for row in rows], dtype=object),
            splits=np.array([row.split for row in rows], dtype="<U10"),
            attributes={"keywords": np.array([row.keywords for row in rows], dtype=np.str_)},
            source="roco",
        )
    )


def _rows(base: Path, kind: str, split: str) -> Iterator[Row]:
    """Give the figures of one split and subset, from whichever layout is there."""
    sides = [side for side in SIDES[split] if (base / side).is_dir()]
    for side in sides:
        if (base / side / kind / "captions.txt").is_file():
            return _published(base, f"{side}/{kind}", split)
    short = SIDES[split][-1]
    for place in ("", *sides, *(f"{side}/{kind}" for side in sides)):
        for name in (f"{kind}{short}data.csv", f"{short}data.csv"):
            if (base / place / name).is_file():
                return _pubmedclip(base, base / place / name, kind, split)
    return iter(())


def _published(base: Path, place: str, split: str) -> Iterator[Row]:
    """Give the rows of ``captions.txt``: id, tab, caption (which starts with a blank)."""
    keywords = dict(_tabbed(base / place / "keywords.txt"))
    for name, caption in _tabbed(base / place / "captions.txt"):
        image = inside(base, f"{place}/images/{name}.jpg")
        said = keywords.get(name, "").split("\t")
        yield Row(name, image, caption, "|".join(filter(None, map(str.strip, said))), split)


def _tabbed(file: Path) -> Iterator[tuple[str, str]]:
    if not file.is_file():
        return
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        name, tab, rest = line.partition("\t")
        if not tab:
            raise DataError(f"{file}, line {number}: no tab after the id")
        yield name.strip(), rest.strip()


def _pubmedclip(base: Path, file: Path, kind: str, split: str) -> Iterator[Row]:
    """Give the rows of a table; an image is called by its ``name``, or by its id."""
    table = read_table(file)
    inner = [f"{side}/{kind}/images" for side in SIDES[split]]
    own = file.parent.relative_to(base).as_posix()
    places = [place for place in (*inner, f"{own}/images", own) if (base / place).is_dir()]
    files = {entry.name for entry in os.scandir(base / places[0])}
    columns = (table["id"], table["name"], table["caption"])
    for case_id, name, caption in zip(*columns, strict=True):
        image = name if name in files or f"{case_id}.jpg" not in files else f"{case_id}.jpg"
        yield Row(case_id, inside(base, f"{places[0]}/{image}"), caption, "", split)
