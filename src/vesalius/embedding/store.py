"""The store: rows found again by the hash of what they were made from.

A folder of chunks. A chunk's values are written first and its index last, each atomically, so a
kill loses at most the chunk in the making. Two processes may write at once: chunk names are random,
and a row that both made is simply there twice.

Legend: K rows of a chunk, D width.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.files import write_atomic, write_json

if TYPE_CHECKING:
    from jaxtyping import Float


class Store:
    """Rows of one model, preprocessing, precision and modality: ``key`` names them all."""

    def __init__(self, folder: str | Path, key: dict[str, str]) -> None:
        digest = sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) / digest
        self.key = key
        self._chunks: list[NDArray[Any]] = []
        self._place: dict[str, tuple[int, int]] = {}
        for index in sorted(self.folder.glob("*.json")):
            if index.name != "key.json":
                self._load(index)

    def __contains__(self, digest: str) -> bool:
        return digest in self._place

    def __len__(self) -> int:
        return len(self._place)

    def add(self, digests: Sequence[str], values_KD: Float[np.ndarray, "K D"]) -> None:
        """Write rows for good; when this returns, a kill does not lose them."""
        if not len(digests):
            return
        if not (self.folder / "key.json").exists():
            write_json(self.folder / "key.json", self.key)
        name = secrets.token_hex(8)
        write_atomic(self.folder / f"{name}.npy", lambda path: np.save(path, values_KD))
        index = write_json(self.folder / f"{name}.json", list(digests))
        self._load(index)

    def rows(self, digests: Sequence[str]) -> Float[np.ndarray, "K D"]:
        """Return the rows of the given hashes, in their order; every one must be there."""
        if not len(digests):
            return np.zeros((0, 0), dtype=np.float32)
        places = np.array([self._place[digest] for digest in digests])
        width = self._chunks[0].shape[1]
        found_KD = np.empty((len(places), width), dtype=self._chunks[0].dtype)
        for chunk in np.unique(places[:, 0]):
            here = places[:, 0] == chunk
            found_KD[here] = self._chunks[chunk][places[here, 1]]
        return found_KD

    def _load(self, index: Path) -> None:
        values_KD = np.load(index.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        for row, digest in enumerate(json.loads(index.read_text())):
            self._place.setdefault(digest, (len(self._chunks), row))
        self._chunks.append(values_KD)
