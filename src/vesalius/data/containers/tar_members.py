"""The members of a tar file and where they lie in it: refused where a name or kind is not safe.

Nothing is unpacked to disk. A file is refused as a whole when a member is absolute, climbs out by
``..``, or is a link, a device or a pipe: who makes such a file means harm or made a mistake.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vesalius.core import DataError

LARGEST = {"json": 16 * 2**20, "txt": 16 * 2**20}  # bytes of a member, by its kind
LARGEST_IMAGE = 2**30


class Member(NamedTuple):
    """A regular file in a tar: the sample's key, its kind (all after the first dot), its place."""

    key: str
    kind: str
    offset: int
    size: int


def members(path: Path) -> Iterator[Member]:
    """Yield the files of a tar in their order.

    Raises:
        DataError: the file is missing, compressed, cut off or no tar, or a member is not safe.
    """
    try:
        length = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                found = _checked(path, member, length)
                if found is not None:
                    yield found
                tar.members = []  # type: ignore[attr-defined]  # else they pile up in memory
    except tarfile.ReadError as error:
        raise DataError(f"{path} is not a readable tar file (uncompressed): {error}") from None
    except (OSError, tarfile.TarError, ValueError, EOFError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Return the bytes of a member.

    Raises:
        DataError: the file is missing or shorter than it was.
    """
    try:
        with path.open("rb") as opened:
            opened.seek(offset)
            content = opened.read(size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) != size:
        raise DataError(f"{path} is cut off: {len(content):,} of {size:,} bytes of a member")
    return content


def _checked(path: Path, member: tarfile.TarInfo, length: int) -> Member | None:
    name = member.name
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or name[1:2] == ":":
        raise DataError(f"{path}: member {name[:200]!r} leads out of the folder")
    if member.isdir():
        return None
    if not member.isreg() or member.issparse():
        raise DataError(f"{path}: member {name[:200]!r} is a link, a device or a sparse file")
    if member.offset_data + member.size > length:
        raise DataError(f"{path} is cut off within member {name[:200]!r}")
    folder, _, base = name.removeprefix("./").rpartition("/")
    stem, _, kind = base.partition(".")
    kind = kind.lower()
    if member.size > LARGEST.get(kind, LARGEST_IMAGE):
        raise DataError(f"{path}: member {name[:200]!r} has {member.size:,} bytes: too large")
    return Member(f"{folder}/{stem}" if folder else stem, kind, member.offset_data, member.size)
