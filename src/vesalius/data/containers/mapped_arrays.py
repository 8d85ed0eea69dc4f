"""Arrays of an ``.npz`` file mapped into memory, so that a set of any size costs next to nothing.

A member that is stored as it is is mapped inside the archive. A compressed one is unpacked once
into a ``.npy`` file of the cache ($VESALIUS_CACHE, or ~/.cache/vesalius/arrays), piece by piece,
and that file is mapped; it is found again as long as the archive's place, size and time stay.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError
from vesalius.core.files import write_atomic

CHUNK = 1 << 20
LOCAL_HEADER = 30  # bytes before a member's name; the two lengths after it stand at 26 and 28


class Header(NamedTuple):
    """What an ``.npy`` file declares: shape, order, type, and the bytes before the data."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int

    @property
    def nbytes(self) -> int:
        """The bytes of the whole file, header included; of any size, so that none overflows."""
        return self.length + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def read_header(member: Any, where: str) -> Header:
    """Read the head of an open ``.npy`` file.

    Raises:
        DataError: it is of another version, or holds Python objects.
    """
    version = np.lib.format.read_magic(member)
    reader = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if reader is None:
        raise DataError(f"{where} is of npy version {version}, not 1 or 2")
    shape, fortran, dtype = reader(member)
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects, which are not read")
    return Header(shape, fortran, dtype, member.tell())


def mapped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: Header) -> NDArray[Any]:
    """Return a member of an archive as an array that is read from disk where it is touched.

    Raises:
        DataError: there is no room to unpack it, or no folder for that.
    """
    path = Path(str(archive.filename))
    if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:  # 1: encrypted
        return _map(path, header, _start(path, info) + header.length)
    cached = _cached_file(path, info)
    try:
        with _alone(cached):
            if not (cached.is_file() and cached.stat().st_size == info.file_size):
                _unpack(archive, info, cached)
    except OSError as error:
        raise DataError(
            f"{path}: {info.filename} cannot be unpacked to {cached}: {error.strerror or error}; "
            "set VESALIUS_CACHE to a folder that can be written"
        ) from None
    return _map(cached, header, header.length)


def _map(path: Path, header: Header, offset: int) -> NDArray[Any]:
    order = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", offset, header.shape, order)  # type: ignore[call-overload]


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where a member's data begins: behind its local header, whose length is its own."""
    with path.open("rb") as opened:
        opened.seek(info.header_offset)
        local = opened.read(LOCAL_HEADER)
    if len(local) < LOCAL_HEADER or local[:4] != b"PK\3\4":
        raise zipfile.BadZipFile(f"no member begins at {info.header_offset}")
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return info.header_offset + LOCAL_HEADER + lengths


def _cached_file(path: Path, info: zipfile.ZipInfo) -> Path:
    """Return the file that a member is unpacked to: another one when the archive changes."""
    stat, place = path.stat(), path.resolve()
    key = f"{place}\0{stat.st_size}\0{stat.st_mtime_ns}\0{info.filename}\0{info.CRC}"
    folder = Path(os.environ.get("VESALIUS_CACHE") or "~/.cache/vesalius/arrays").expanduser()
    digest = sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return folder / f"{path.stem}-{Path(info.filename).stem}-{digest}.npy"


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, cached: Path) -> None:
    """Write a member piece by piece; the file is whole and its checksum right, or not there."""
    free = shutil.disk_usage(cached.parent).free
    if info.file_size > free:
        raise DataError(
            f"{archive.filename}: unpacking {info.filename} needs {info.file_size:,} bytes, but "
            f"{cached.parent} has {free:,}; set VESALIUS_CACHE to a folder with more room"
        )

    def write(temporary: Path) -> None:
        with archive.open(info) as member, temporary.open("wb") as opened:
            shutil.copyfileobj(member, opened, CHUNK)

    write_atomic(cached, write)


@contextmanager
def _alone(cached: Path) -> Iterator[None]:
    """Let one process unpack a file while the others wait for it, where the system can."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: several may unpack, and the last one stays
        yield
        return
    with cached.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
