"""Folder: ``root/<split>/<class>/*.png``, or ``root/<class>/*.png`` without splits."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import SUFFIXES, ImageFiles, is_image_name
from vesalius.data.images.presence import with_images
from vesalius.data.patients import patients_in
from vesalius.data.splits import ALIASES


class Found(NamedTuple):
    """A file: its path under the root, its class (``""`` without one), its split."""

    path: str
    label: str
    split: str
    is_link: bool


def folder(root: Path, *, patient_id: str | None = None, exclude: str = "*_mask*") -> CaseSet:
    """Read images whose folder is their class (multiclass); without class folders: no labels.

    When a folder of the root is named as a split (train, val, test …), all must be. Images may
    lie deeper than their class folder. Other files, and images beside class folders, are listed
    as skipped; names that start with a dot are passed over.

    Args:
        root: the folder.
        patient_id: a regular expression whose first group, found in the path under the root, is
            the patient, such as ``([0-9]+)_``; without it patients are not known.
        exclude: file names to leave out, such as masks that lie beside their images.

    Raises:
        DataError: no image is found, or a path does not match ``patient_id``.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder")
    tops = _folders(root)
    splits = [top for top in tops if top.name.lower() in ALIASES]
    if splits and len(splits) < len(tops):
        odd = next(top.name for top in tops if top not in splits)
        raise DataError(f"{root}: folder {odd!r} lies beside splits, but is named as none")
    files = [found for top in splits or [root] for found in _files(root, top)]
    labelled = any(found.label for found in files)
    faults = [_fault(found, exclude, labelled) for found in files]
    skipped = [Skipped(f.path, fault) for f, fault in zip(files, faults, strict=True) if fault]
    images = [found for found, fault in zip(files, faults, strict=True) if not fault]
    if not images:
        raise DataError(
            f"{root} has no images in <class>/ or <split>/<class>/ ({', '.join(SUFFIXES)})"
        )
    names = tuple(sorted({found.label for found in images if labelled}))
    labels_N = np.array([found.label for found in images])
    paths = [found.path for found in images]
    return with_images(
        CaseSet(
            case_ids=np.array(paths, dtype=np.str_),
            images=ImageFiles(root, paths),
            labels_NC=(labels_N[:, None] == np.array(names, dtype=np.str_)).astype(float),
            label_names=names,
            patient_ids=None if patient_id is None else patients_in(paths, patient_id),
            splits=np.array([f.split for f in images], dtype="<U10") if splits else None,
            skipped=tuple(skipped),
            task="multiclass" if labelled else "multilabel",
            source=f"folder {root.name}",
        )
    )


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(root: Path, top: Path) -> Iterator[Found]:
    split = ALIASES.get(top.name.lower(), "") if top != root else ""
    for path in sorted(top.rglob("*")):
        inner = path.relative_to(top).parts
        is_link = path.is_dir() and path.is_symlink()
        if (is_link or not path.is_dir()) and not any(part.startswith(".") for part in inner):
            own = path.relative_to(root).as_posix()
            yield Found(own, inner[0] if inner[1:] else "", split, is_link)


def _fault(found: Found, exclude: str, labelled: bool) -> str:
    name = Path(found.path)
    if found.is_link:
        return "a symbolic link to a folder, which is not followed"
    if not is_image_name(name.name):
        return f"not an image by its name ({', '.join(SUFFIXES)})"
    if exclude and fnmatch(name.name, exclude):
        return f"left out by exclude={exclude!r}"
    if labelled and not found.label:
        return "lies beside the class folders, in none"
    return ""
