"""ROCO v1: radiology images and captions, as published or in PubMedCLIP's CSV form."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.images import ImageFiles, inside, with_images
from vesalius.data.rows import read_rows

SUBSETS = ("radiology", "non-radiology", "all")


def roco(
    root: Path, *, subset: Literal["radiology", "non-radiology", "all"] = "radiology"
) -> CaseSet:
    """Read ``{train,validation,test}/{radiology,non-radiology}/captions.txt`` and ``images/``.

    Where ``radiology{train,val,test}data.csv`` (``id,name,caption``) lie instead, they are read.
    The root may be the folder above ``data/``. Patients are not known; the source has splits.

    Raises:
        DataError: neither layout is there, a line is broken, or no image is there.
    """
    if subset not in SUBSETS:
        raise unknown("subset", subset, SUBSETS)
    base = root / "data" if (root / "data").is_dir() else root
    kinds = SUBSETS[:2] if subset == "all" else (subset,)
    found = [row for kind in kinds for row in (*_captions(base, kind), *_tables(base, kind))]
    if not found:
        raise DataError(
            f"{base} has neither train/{kinds[0]}/captions.txt nor {kinds[0]}traindata.csv"
        )
    ids, paths, texts, sides = (list(column) for column in zip(*found, strict=True))
    return with_images(
        CaseSet(
            case_ids=np.array(ids, dtype=np.str_),
            images=ImageFiles(base, paths),
            labels_NC=np.zeros((len(ids), 0)),
            texts=np.array([text or None for text in texts], dtype=object),
            splits=np.array(sides, dtype=np.str_),
            source="roco",
        )
    )


def _captions(base: Path, kind: str) -> list[tuple[str, str, str, str]]:
    """Return (id, image, caption, split) of the published layout; captions start with a blank."""
    rows = []
    for side in ("train", "validation", "test"):
        file = base / side / kind / "captions.txt"
        if not file.is_file():
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
            if not line.strip():
                continue
            name, tab, caption = line.partition("\t")
            if not tab:
                raise DataError(f"{file}, line {number}: no tab between id and caption")
            image = inside(base, f"{side}/{kind}/images/{name.strip()}.jpg")
            rows.append((name.strip(), image, caption.strip(), side))
    return rows


def _tables(base: Path, kind: str) -> list[tuple[str, str, str, str]]:
    """Return the same of PubMedCLIP's tables; images lie beside, or as in the published layout."""
    rows = []
    for short, side in (("train", "train"), ("val", "validation"), ("test", "test")):
        file = base / f"{kind}{short}data.csv"
        if not file.is_file():
            continue
        places = (f"{side}/{kind}/images", f"{short}/{kind}/images", "images", ".")
        place = next((p for p in places if (base / p).is_dir()), ".")
        for row in read_rows(file, ("id", "name", "caption")):
            rows.append((row["id"], inside(base, f"{place}/{row['name']}"), row["caption"], side))
    return rows
