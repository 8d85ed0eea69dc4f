"""Shards: Parquet files, read by groups of rows, and Arrow files, mapped into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from jaxtyping import Bool

LARGEST_GROUP = 4 << 30  # bytes that a row group may declare
LARGEST_ROWS = 100_000_000
BUFFER = 1 << 16  # bytes that are read ahead of the first rows
FIRST = 8  # rows that speak for a shard
ARROW = (".arrow",)


def group_sizes(path: Path) -> list[int]:
    """Return the number of rows in each group of a shard (an Arrow file is one group)."""
    if is_mapped(path):
        return [_arrow(path).num_rows]
    import pyarrow.parquet as pq

    with readable(path):
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [group.num_rows for group in groups]
    if sum(sizes) > LARGEST_ROWS or any(g.total_byte_size > LARGEST_GROUP for g in groups):
        raise DataError(
            f"{path} declares {sum(sizes):,} rows in groups of up to "
            f"{max(group.total_byte_size for group in groups):,} bytes; at most "
            f"{LARGEST_ROWS:,} and {LARGEST_GROUP:,} are read"
        )
    return sizes


def read_group(path: Path, column: str, number: int) -> pa.ChunkedArray:
    """Return a column of one group of rows, checked so that no offset leads out of it."""
    with readable(path):
        if is_mapped(path):
            values = _arrow(path).column(column)
        else:
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as opened:
                values = opened.read_row_group(number, columns=[column]).column(0)
        values.validate(full=True)
        return values


def has_bytes(path: Path, column: str) -> Bool[np.ndarray, "N"]:
    """Say which images of a shard lie in it.

    Of a Parquet file whose first images do, it is taken of all: to know would be to read it all,
    for pyarrow ends the process where the statistics of a broken file are asked for. A row that
    is blank after all raises when it is read.
    """
    sizes = group_sizes(path)
    if not is_mapped(path) and _first_have(path, column):
        return np.ones(sum(sizes), bool)
    groups = [_have(read_group(path, column, number)) for number in range(len(sizes))]
    return np.concatenate([*groups, np.zeros(0, bool)])


def _first_have(path: Path, column: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(path), pq.ParquetFile(path, buffer_size=BUFFER) as opened:
        batch = next(opened.iter_batches(batch_size=FIRST, columns=[column]), None)
        return batch is not None and bool(_have(pa.chunked_array([batch.column(0)])).all())


def _have(images: pa.ChunkedArray) -> Bool[np.ndarray, "N"]:
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = pc.struct_field(images, "bytes") if pa.types.is_struct(images.type) else images
    if not (pa.types.is_binary(raw.type) or pa.types.is_large_binary(raw.type)):
        return np.zeros(len(images), bool)
    lengths = pc.fill_null(pc.binary_length(raw), 0)
    return np.asarray(lengths.to_numpy() > 0)


def read_columns(path: Path, columns: Sequence[str]) -> tuple[dict[str, list[Any]], int]:
    """Return columns of a shard as plain values, and how many rows it has."""
    rows = sum(group_sizes(path))
    with readable(path):
        if is_mapped(path):
            table = _arrow(path).select(list(columns))
        else:
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as opened:
                table = opened.read(columns=list(columns))
        table.validate(full=True)
        return {name: table.column(name).to_pylist() for name in columns}, rows


def schema_of(path: Path) -> pa.Schema:
    """Return the columns that a shard declares."""
    with readable(path):
        if is_mapped(path):
            return _arrow(path).schema
        import pyarrow.parquet as pq

        return pq.read_schema(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a broken shard raises in its decoder into an error that names the shard."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def is_mapped(path: Path) -> bool:
    """Say whether a shard is mapped into memory, so that its rows cost nothing until read."""
    return path.suffix.lower() in ARROW


def _arrow(path: Path) -> pa.Table:
    """Map an Arrow file: a stream, as the datasets library writes it, or a file with an index."""
    import pyarrow as pa

    with readable(path):
        mapped = pa.memory_map(str(path))
        if mapped.read(6) == b"ARROW1":
            return pa.ipc.open_file(mapped).read_all()
        mapped.seek(0)
        return pa.ipc.open_stream(mapped).read_all()
