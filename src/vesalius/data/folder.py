"""Folder: ``root/<split>/<class>/*.png``, or ``root/<class>/*.png`` without splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError
from vesalius.data.images import SUFFIXES, ImageFiles, with_images
from vesalius.data.splits import ALIASES


def folder(root: Path) -> CaseSet:
    """Read images whose folder is their class; patients are not known.

    Raises:
        DataError: there is no folder of a class, or no image in any.
    """
    if not root.is_dir():
        raise DataError(f"{root} is a file, not a folder of classes")
    tops = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    splits = [p for p in tops if p.name.lower() in ALIASES]
    if splits and len(splits) < len(tops):
        odd = next(p.name for p in tops if p not in splits)
        raise DataError(f"{root}: {odd!r} lies beside the splits {[p.name for p in splits]}")
    found: list[tuple[str, str, str]] = []
    for top in splits or [root]:
        for own in sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith(".")):
            images = sorted(p for p in own.rglob("*") if p.suffix.lower() in SUFFIXES)
            found += [(p.relative_to(root).as_posix(), own.name, top.name) for p in images]
    if not found:
        raise DataError(
            f"{root} has no images in <class>/ or <split>/<class>/ ({', '.join(SUFFIXES)})"
        )
    paths, classes, sides = (list(column) for column in zip(*found, strict=True))
    names = tuple(sorted(set(classes)))
    return with_images(
        CaseSet(
            case_ids=np.array(paths, dtype=np.str_),
            images=ImageFiles(root, paths),
            labels_NC=(np.array(classes)[:, None] == np.array(names)).astype(float),
            label_names=names,
            splits=np.array([ALIASES[s.lower()] for s in sides], dtype=np.str_) if splits else None,
            task="multiclass",
            source=f"folder {root.name}",
        )
    )
