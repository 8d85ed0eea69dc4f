"""Archives unpacked safely: zip and tar, with nothing outside the folder and nothing too large.

Every name and size is checked before the first byte is written, and the bytes are counted again
while they are unpacked: what an archive declares about itself may be a lie. Links, devices and
pipes are refused. The folder appears whole or not at all.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from secrets import token_hex
from shutil import rmtree
from typing import IO

from vesalius.core import DataError
from vesalius.data.progress import bar

LARGEST = 2**40  # bytes in all
MOST_RATIO = 200  # unpacked to packed; radiographs compress to a third, zeros to a thousandth
FREE_RATIO = 64 * 2**20  # bytes below which no ratio is asked for
MOST_FILES = 5_000_000
RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: where it goes, what it declares to measure, how it is opened."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path,
    folder: Path,
    *,
    largest: int = LARGEST,
    most_ratio: float = MOST_RATIO,
    progress: bool = False,
) -> list[Path]:
    """Unpack a zip or tar (also .gz, .bz2, .xz) into a new folder; return its files.

    Args:
        largest: bytes of all files together.
        most_ratio: how many times larger than the archive they may be, beyond 64 MB.

    Raises:
        DataError: the folder exists, or the archive is broken, too large or not safe; nothing is
            left behind then.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; archives are unpacked into a new folder")
    bound = min(largest, max(int(most_ratio * _size(archive)), FREE_RATIO))
    half = folder.parent / f".{folder.name}.{token_hex(8)}"
    try:
        with _entries(archive, bound) as entries:
            half.mkdir(parents=True)
            _write(archive, entries, half, bound, progress=progress)
        half.rename(folder)
    except (OSError, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{archive} cannot be unpacked: {reason}") from None
    finally:
        rmtree(half, ignore_errors=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _size(archive: Path) -> int:
    try:
        return archive.stat().st_size
    except OSError as error:
        raise DataError(f"{archive} cannot be read: {error.strerror or error}") from None


@contextmanager
def _entries(archive: Path, bound: int) -> Iterator[list[Entry]]:
    """Open an archive and yield its files, every one of them checked."""
    try:
        if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield _checked(archive, _zip_entries(archive, opened), bound)
        else:
            with tarfile.open(archive, "r:*") as tar:
                yield _checked(archive, _tar_entries(archive, tar), bound)
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{archive} is not a readable zip or tar archive: {error}") from None
    except (UnicodeError, ValueError, OverflowError) as error:
        raise DataError(f"{archive} is broken: {error}") from None


def _zip_entries(archive: Path, opened: zipfile.ZipFile) -> Iterator[Entry]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _unsafe(archive, info.filename, "is a link or a device")
        if info.flag_bits & 1:
            raise _unsafe(archive, info.filename, "is encrypted")
        if info.is_dir():
            _place(archive, info.filename)
            continue
        yield Entry(info.orig_filename, info.file_size, lambda i=info: opened.open(i))  # type: ignore[misc]


def _tar_entries(archive: Path, tar: tarfile.TarFile) -> Iterator[Entry]:
    for member in tar:
        if member.isdir():
            _place(archive, member.name)
        elif not member.isreg() or member.issparse():
            raise _unsafe(archive, member.name, "is a link, a device or a sparse file")
        else:
            yield Entry(member.name, member.size, lambda m=member: tar.extractfile(m))  # type: ignore[misc]


def _checked(archive: Path, entries: Iterator[Entry], bound: int) -> list[Entry]:
    found: list[Entry] = []
    seen: dict[str, str] = {}
    total = 0
    for entry in entries:
        place = _place(archive, entry.name)
        twin = seen.setdefault(str(place).casefold(), entry.name)
        if twin != entry.name or any(str(p).casefold() in seen for p in place.parents):
            raise _unsafe(archive, entry.name, f"lies where {twin[:80]!r} does")
        total += entry.size
        if total > bound or len(found) >= MOST_FILES:
            raise _bomb(archive, bound)
        found.append(entry)
    names = [str(_place(archive, entry.name)).casefold() for entry in found]
    if len(set(names)) < len(names):
        raise DataError(f"{archive} holds a file twice")
    return found


def _place(archive: Path, name: str) -> PurePosixPath:
    """Return where an entry goes under the folder, or refuse it."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or "\0" in name or ":" in name:
        raise _unsafe(archive, name, "leads out of the folder")
    for part in parts:
        if part.rstrip(". ") != part or part.partition(".")[0].lower() in RESERVED:
            raise _unsafe(archive, name, "has a name that not every system can hold")
        if any(ord(c) < 32 for c in part) or len(part.encode("utf-8", "replace")) > 255:
            raise _unsafe(archive, name, "has a name that not every system can hold")
    return path


def _write(
    archive: Path, entries: Sequence[Entry], folder: Path, bound: int, *, progress: bool
) -> None:
    left = bound
    with bar("unpacking", len(entries), unit="files", show=progress) as advance:
        for entry in entries:
            path = folder / _place(archive, entry.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            source = entry.open()
            if source is None:
                raise _unsafe(archive, entry.name, "is not a file")
            with source, path.open("xb") as target:
                while block := source.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise _bomb(archive, bound)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            advance(1)


def _unsafe(archive: Path, name: str, what: str) -> DataError:
    return DataError(f"{archive}: entry {name[:200]!r} {what}; the archive is refused")


def _bomb(archive: Path, bound: int) -> DataError:
    return DataError(
        f"{archive} unpacks to more than {bound:,} bytes, too many for its size; if it is meant, "
        "unpack it by hand"
    )
