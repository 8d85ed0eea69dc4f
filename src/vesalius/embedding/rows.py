"""Rows by the digest of what they were made from: in memory, or in a folder that outlives a kill.

Legend of shapes: K rows, D width.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vesalius.core import Skipped
from vesalius.core.files import write_atomic, write_json
from vesalius.data.ranks import barrier, gathered_objects

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger(__name__)

SECONDS_UNSAVED = 10.0  # of work that a kill may cost
ROWS_UNSAVED = 4096
KEY, SKIPPED = "key.json", "skipped.json"


class Rows(Protocol):
    """Where rows are kept. A digest is a hex string; rows come back in the order asked for."""

    def known(self) -> Container[str]: ...
    def add(self, digests: Sequence[str], values_KD: Float[np.ndarray, "K D"]) -> None: ...
    def of(self, digests: Sequence[str]) -> Float[np.ndarray, "K D"]: ...
    def exchange(self) -> None: ...


class MemoryRows:
    """Rows that are gone with the process."""

    def __init__(self) -> None:
        self._rows: dict[str, NDArray[Any]] = {}

    def known(self) -> Container[str]:
        return frozenset(self._rows)

    def add(self, digests: Sequence[str], values_KD: Float[np.ndarray, "K D"]) -> None:
        self._rows.update(zip(digests, values_KD, strict=True))

    def of(self, digests: Sequence[str]) -> Float[np.ndarray, "K D"]:
        if not digests:
            return np.zeros((0, 0), dtype=np.float32)
        return np.stack([self._rows[digest] for digest in digests])

    def exchange(self) -> None:
        """Take in what the other ranks of the job added; each must call this."""
        for rows in gathered_objects(self._rows):
            self._rows.update(rows)


class Store:
    """Rows of one model, preprocessing, precision and modality in a folder; ``key`` names them all.

    A chunk's values (``NAME.npy``, memory-mapped) are written first and its digests (``NAME.json``)
    last, each atomically: a kill loses at most the chunk in the making. Any number of processes may
    read and write at once: chunk names are random, and a row that two made is there twice.
    """

    def __init__(self, folder: str | Path, key: dict[str, str]) -> None:
        digest = sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) / digest
        self.key = key
        self._chunks: list[NDArray[Any]] = []
        self._place: dict[str, tuple[int, int]] = {}
        self._taken_in = {KEY, SKIPPED}
        self._take_in()

    def __contains__(self, digest: str) -> bool:
        return digest in self._place

    def __len__(self) -> int:
        return len(self._place)

    def known(self) -> Container[str]:
        return frozenset(self._place)

    def add(self, digests: Sequence[str], values_KD: Float[np.ndarray, "K D"]) -> None:
        """Write rows for good; when this returns, a kill does not lose them."""
        if not digests:
            return
        if not (self.folder / KEY).exists():
            write_json(self.folder / KEY, self.key)
        name = secrets.token_hex(8)
        write_atomic(self.folder / f"{name}.npy", lambda path: np.save(path, values_KD))
        self._load(write_atomic(self.folder / f"{name}.json", json.dumps(list(digests))))

    def of(self, digests: Sequence[str]) -> Float[np.ndarray, "K D"]:
        """Return the rows of the given digests, in their order; every one must be there."""
        if not digests:
            return np.zeros((0, 0), dtype=np.float32)
        places_K2 = np.array([self._place[digest] for digest in digests])
        found_KD = np.empty((len(digests), self._chunks[0].shape[1]), self._chunks[0].dtype)
        for chunk in np.unique(places_K2[:, 0]):
            here_K = places_K2[:, 0] == chunk
            found_KD[here_K] = self._chunks[chunk][places_K2[here_K, 1]]
        return found_KD

    def exchange(self) -> None:
        """Take in what the other ranks of the job added; each must call this."""
        barrier()
        self._take_in()

    def note_skipped(self, skipped: Sequence[Skipped]) -> None:
        """Write down which images the last call could not read (``skipped.json``)."""
        path = self.folder / SKIPPED
        if skipped or path.exists():
            write_json(path, [{"name": s.name, "reason": s.reason} for s in skipped])

    def _take_in(self) -> None:
        for index in sorted(self.folder.glob("*.json")):
            if index.name not in self._taken_in:
                self._load(index)

    def _load(self, index: Path) -> None:
        """Take a chunk in; one that is not whole is left out, so that its rows are made again."""
        self._taken_in.add(index.name)
        try:
            digests = json.loads(index.read_text(encoding="utf-8"))
            values_KD = np.load(index.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
            if values_KD.ndim != 2 or len(values_KD) != len(digests):
                raise ValueError(f"{len(digests)} digests for values of shape {values_KD.shape}")
        except (OSError, ValueError, TypeError) as error:
            log.warning("left out a chunk of the store, %s: %s", index, error)
            return
        for row, digest in enumerate(digests):
            self._place.setdefault(digest, (len(self._chunks), row))
        self._chunks.append(values_KD)


@contextmanager
def pieces(
    rows: Rows, dtype: DTypeLike
) -> Iterator[Callable[[Sequence[str], Float[np.ndarray, "B D"]], None]]:
    """Give a function that keeps rows, in chunks of a bounded size and age.

    Whatever ends the work (an error, Ctrl-C), what was computed before is kept.
    """
    digests: list[str] = []
    values: list[NDArray[Any]] = []
    since = monotonic()

    def flush() -> None:
        if digests:
            rows.add(list(digests), np.concatenate(values).astype(dtype))
            digests.clear()
            values.clear()

    def keep(more: Sequence[str], values_BD: NDArray[Any]) -> None:
        nonlocal since
        digests.extend(more)
        values.append(values_BD)
        if len(digests) >= ROWS_UNSAVED or monotonic() - since > SECONDS_UNSAVED:
            flush()
            since = monotonic()

    try:
        yield keep
    finally:
        flush()
