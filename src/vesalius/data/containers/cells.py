"""Images in the cells of Parquet and Arrow tables, read one at a time when they are asked for.

A Parquet row group is read as a whole, so the last few are kept, up to a bound: images that are
read in their order cost one read each group. An Arrow file is mapped into memory and costs none.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vesalius.core import ImageError
from vesalius.data.containers.shards import group_sizes, is_mapped, read_group
from vesalius.data.images import ImageFiles
from vesalius.data.images.pictures import decode_image
from vesalius.data.images.presence import inside

if TYPE_CHECKING:
    import pyarrow as pa
    from jaxtyping import Int, UInt8

KEPT_BYTES = 256 << 20  # of row groups in memory, beyond the last one


class Cell(NamedTuple):
    """An image as a table holds it: its bytes, or else the path of its file."""

    raw: bytes | None
    path: str | None


class Cells:
    """A column of images over several shards. Pickled as its paths: a worker opens its own."""

    def __init__(self, root: Path, shards: Sequence[str], column: str) -> None:
        self.root = root
        self.shards = tuple(shards)
        self.column = column
        self._starts: dict[int, list[int]] = {}
        self._groups: OrderedDict[tuple[int, int], pa.ChunkedArray] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Cells], tuple[Path, tuple[str, ...], str]]:
        return (Cells, (self.root, self.shards, self.column))

    def __call__(self, shard: int, row: int) -> Cell:
        """Return one cell.

        Raises:
            ImageError: the shard is broken or gone, or has no such row.
        """
        try:
            with self._lock:
                group, place = self._group(shard, row)
                value = group[place].as_py()
        except Exception as error:  # a broken shard can raise anything in its decoder
            raise ImageError(f"{self.root / self.shards[shard]}, row {row}: {error}") from None
        if isinstance(value, dict):
            return Cell(value.get("bytes"), value.get("path"))
        return Cell(value, None) if isinstance(value, bytes) else Cell(None, value)

    def _group(self, shard: int, row: int) -> tuple[pa.ChunkedArray, int]:
        """Return the group of rows that has the row, and its place there; keep it for the next."""
        path = self.root / self.shards[shard]
        if shard not in self._starts:
            self._starts[shard] = [0, *accumulate(group_sizes(path))]
        number = bisect_right(self._starts[shard], row) - 1
        key = (shard, number)
        if key not in self._groups:
            self._groups[key] = read_group(path, self.column, number)
            held = sum(0 if is_mapped(path) else group.nbytes for group in self._groups.values())
            while len(self._groups) > 1 and held > KEPT_BYTES:
                held -= self._groups.popitem(last=False)[1].nbytes
        self._groups.move_to_end(key)
        return self._groups[key], row - self._starts[shard][number]


@dataclass(frozen=True, slots=True, eq=False)
class CellImages:
    """Images that lie in the cells of a column (an ``ImageColumn``): which shard, which row."""

    cells: Cells
    shard_N: Int[np.ndarray, "N"] = field(repr=False)
    row_N: Int[np.ndarray, "N"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.row_N)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "..."]:
        cell = self._cell(index)
        if cell.raw is None:
            return self._file(index, cell)[0]
        return decode_image(cell.raw, name=self.name(index))

    def name(self, index: int) -> str:
        return f"{self.cells.shards[self.shard_N[index]]}[{self.row_N[index]}]"

    def content_hash(self, index: int) -> str:
        """Return the SHA-256 of the image file's bytes."""
        cell = self._cell(index)
        if cell.raw is None:
            return self._file(index, cell).content_hash(0)
        return sha256(cell.raw).hexdigest()

    def take(self, indices: NDArray[np.integer]) -> CellImages:
        return CellImages(self.cells, self.shard_N[indices], self.row_N[indices])

    def _cell(self, index: int) -> Cell:
        return self.cells(int(self.shard_N[index]), int(self.row_N[index]))

    def _file(self, index: int, cell: Cell) -> ImageFiles:
        """Return the file of an image that has no bytes of its own, as a column of one."""
        if not cell.path:
            raise ImageError(f"{self.name(index)} holds neither bytes nor a path")
        return ImageFiles(self.cells.root, [inside(self.cells.root, cell.path)])
