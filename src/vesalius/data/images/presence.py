"""Which of the named images are there: what is missing or empty is left out, and listed.

Every folder is listed once, one at a time, and only the files that are asked for are looked at: a
million rows take two seconds, and of their folders nothing stays in memory.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import ImageFiles, is_within, leaves
from vesalius.data.images.address import file_of


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
    paths = cases.images.paths
    faults = faults_of(cases.images.root, paths)
    here = np.array([not fault for fault in faults], dtype=bool)
    if here.all():
        return cases
    if not here.any():
        raise DataError(_none_there(cases, cases.images, faults))
    skipped = tuple(
        Skipped(path or str(cases.case_ids[row]), fault)
        for row, (path, fault) in enumerate(zip(paths, faults, strict=True))
        if fault
    )
    return replace(cases.select(here), skipped=(*cases.skipped, *skipped))


def faults_of(root: Path, paths: Sequence[str]) -> list[str]:
    """Say of each path why its image cannot be used; nothing where it can.

    Raises:
        DataError: a symbolic link leads out of the root.
    """
    real_root = os.path.realpath(root)
    faults = ["" if path else "names no image" for path in paths]
    rows_in: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        if path:
            rows_in[file_of(path).rpartition("/")[0]].append(row)

    linked = {"": False}
    for folder, rows in rows_in.items():
        names = [file_of(paths[row]).rpartition("/")[2] for row in rows]
        found: dict[str, str] = {}
        with suppress(OSError, UnicodeEncodeError):  # the second: no file system has such a name
            if _behind_link(root, folder, linked):
                _check(root, folder, real_root)
            found = _listed(root, folder, set(names), real_root)
        for row, name in zip(rows, names, strict=True):
            faults[row] = found.get(name, "no such file")
    return faults


def _behind_link(root: Path, folder: str, linked: dict[str, bool]) -> bool:
    """Say whether a folder under the root is a symbolic link, or lies behind one.

    ``linked`` remembers it of the folders on the way: one look each, however many rows they hold.
    """
    way = []
    while folder not in linked:
        way.append(folder)
        folder = folder.rpartition("/")[0]
    for below in reversed(way):
        linked[below] = linked[folder] or (root / below).is_symlink()
        folder = below
    return linked[folder]


def _check(root: Path, path: str, real_root: str) -> None:
    if not is_within(os.path.realpath(root / path), real_root):
        raise leaves(root, path)


def _listed(root: Path, folder: str, names: set[str], real_root: str) -> dict[str, str]:
    """Return the fault of each named file that a folder has: nothing where it can be used."""
    with os.scandir(root / folder) as entries:
        return {e.name: _fault(e, root, real_root) for e in entries if e.name in names}


def _fault(entry: os.DirEntry[str], root: Path, real_root: str) -> str:
    if entry.is_symlink():
        _check(root, os.path.relpath(entry.path, root), real_root)
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
