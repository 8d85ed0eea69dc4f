"""Arrays of an ``.npz`` file, opened one at a time when they are asked for; never a pickle."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, VesaliusError
from vesalius.data.containers.mapped_arrays import Header, mapped, read_header

if TYPE_CHECKING:
    from jaxtyping import Int, UInt8

IN_MEMORY = 64 << 20  # bytes of an array that is unpacked into memory


class Arrays:
    """The arrays of an ``.npz`` file by name. Pickled as its path: a worker opens its own.

    What is larger than ``IN_MEMORY`` bytes is not unpacked into memory but mapped.

    Raises:
        DataError: the file is broken, has no such array, or holds Python objects.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unpacked: dict[str, NDArray[Any]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Arrays({str(self.path)!r})"

    def __reduce__(self) -> tuple[type[Arrays], tuple[Path]]:
        return (Arrays, (self.path,))

    def declared(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and type that the file declares of an array, without unpacking it."""
        with self._member(name) as (archive, info):
            header = self._header(archive, info)
        return header.shape, header.dtype

    def __getitem__(self, name: str) -> NDArray[Any]:
        with self._lock:
            if name not in self._unpacked:
                with self._member(name) as (archive, info):
                    header = self._header(archive, info)
                    if info.file_size > IN_MEMORY:
                        array = mapped(archive, info, header)
                    else:
                        with archive.open(info) as member:
                            array = np.lib.format.read_array(member, allow_pickle=False)
                        array.flags.writeable = False
                self._unpacked[name] = array
            return self._unpacked[name]

    def _header(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as member:
            header = read_header(member, f"{self.path}: {name!r}")
        if header.nbytes != info.file_size:
            raise DataError(
                f"{self.path}: {name!r} declares shape {header.shape}, its data differs"
            )
        return header

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                if f"{name}.npy" not in archive.namelist():
                    names = ", ".join(n.removesuffix(".npy") for n in archive.namelist())
                    raise DataError(f"{self.path} has no array {name!r}; it has {names}")
                yield archive, archive.getinfo(f"{name}.npy")
        except VesaliusError:
            raise
        except Exception as error:  # a broken archive can raise anything in its decoder
            raise DataError(f"{self.path} is not a readable .npz file: {error}") from None


@dataclass(frozen=True, slots=True, eq=False)
class ArrayParts:
    """Images that lie in several arrays of a file (an ``ImageColumn``): which array, which row."""

    arrays: Arrays
    names: tuple[str, ...]
    part_N: Int[np.ndarray, "N"] = field(repr=False)
    row_N: Int[np.ndarray, "N"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.row_N)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        return np.array(self.arrays[self.names[self.part_N[index]]][self.row_N[index]])

    def name(self, index: int) -> str:
        return f"{self.arrays.path.name}:{self.names[self.part_N[index]]}[{self.row_N[index]}]"

    def content_hash(self, index: int) -> str:
        """Return the SHA-256 of the image's shape and pixels."""
        image = self[index]
        return sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()

    def take(self, indices: NDArray[np.integer]) -> ArrayParts:
        return ArrayParts(self.arrays, self.names, self.part_N[indices], self.row_N[indices])
