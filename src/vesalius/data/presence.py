"""Which of the named images are there: what is missing or empty is left out, and listed.

Every folder is listed once, and only the files that are asked for are looked at; a table of
100,000 rows takes about a second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.address import file_of
from vesalius.data.images import ImageFiles, is_within, leaves

Folder = Mapping[str, "os.DirEntry[str]"]


def inside(root: Path, path: str) -> str:
    """Return a path relative to the root, in its simplest form, or refuse one that leaves it.

    >>> inside(Path("/data"), "a/../b.png"), inside(Path("/data"), "/data/c.png")
    ('b.png', 'c.png')
    """
    own = os.path.relpath(path, root.absolute()) if path.startswith(os.sep) else path
    simple = os.path.normpath(own).replace(os.sep, "/")
    if simple == ".." or simple.startswith("../") or "\0" in simple:
        raise leaves(root, path)
    return simple


def with_images(cases: CaseSet) -> CaseSet:
    """Leave out the cases whose image file is missing or empty, and list them as skipped.

    Raises:
        DataError: not one image is there, or a symbolic link leads out of the root.
    """
    assert isinstance(cases.images, ImageFiles)
    root, paths = cases.images.root, cases.images.paths
    real_root = os.path.realpath(root)
    folders: dict[str, Folder] = {}
    faults = []
    for path in paths:
        parent, _, name = file_of(path).rpartition("/")
        if parent not in folders:
            folders[parent] = _listed(root, parent, real_root)
        entry = folders[parent].get(name)
        faults.append(_fault(entry, root, path, real_root) if path else "names no image")
    here = np.array([not fault for fault in faults], dtype=bool)
    if not here.any():
        raise DataError(_none_there(cases, cases.images, faults))
    skipped = tuple(
        Skipped(path or str(cases.case_ids[row]), fault)
        for row, (path, fault) in enumerate(zip(paths, faults, strict=True))
        if fault
    )
    kept = cases if here.all() else cases.select(here)
    return replace(kept, skipped=(*cases.skipped, *skipped))


def _listed(root: Path, folder: str, real_root: str) -> Folder:
    path = root / folder
    if not is_within(os.path.realpath(path), real_root):
        raise leaves(root, folder)
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry for entry in entries}
    except OSError:
        return {}


def _fault(entry: os.DirEntry[str] | None, root: Path, path: str, real_root: str) -> str:
    """Say why an image cannot be used; nothing where it can."""
    if entry is None:
        return "no such file"
    if entry.is_symlink() and not is_within(os.path.realpath(entry.path), real_root):
        raise leaves(root, path)
    try:
        if not entry.is_file():
            return "not a file"
        return "" if entry.stat().st_size else "empty file (0 bytes)"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _none_there(cases: CaseSet, images: ImageFiles, faults: list[str]) -> str:
    named = [(path, fault) for path, fault in zip(images.paths, faults, strict=True) if path]
    if not named:
        return f"{cases.source}: not one of {len(faults):,} rows names an image"
    path, fault = named[0]
    hint = "; paths are written with '/'" if "\\" in path else ""
    return (
        f"{cases.source}: not one of {len(faults):,} images is there; the first is "
        f"{images.root / path}: {fault}{hint}"
    )
