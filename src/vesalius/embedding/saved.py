"""Embeddings as a folder: ``values.npy`` (memory-mapped when opened) and ``rows.json``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vesalius.core import DataError, Embeddings
from vesalius.core.files import read_json, write_atomic, write_json


def save(embeddings: Embeddings, folder: str | Path) -> Path:
    """Write embeddings into a folder that :func:`open_embeddings` and numpy can read."""
    folder = Path(folder)
    write_atomic(folder / "values.npy", lambda path: np.save(path, embeddings.values_ND))
    write_json(
        folder / "rows.json",
        {
            "modality": embeddings.modality,
            "case_ids": embeddings.case_ids.tolist(),
            "provenance": dict(embeddings.provenance),
        },
    )
    return folder


def open_embeddings(folder: str | Path) -> Embeddings:
    """Open a folder of embeddings; the values are memory-mapped, not read."""
    folder = Path(folder)
    rows = read_json(folder / "rows.json")
    try:
        values_ND = np.load(folder / "values.npy", mmap_mode="r", allow_pickle=False)
        return Embeddings(
            values_ND,
            np.array(rows["case_ids"], dtype=np.str_),
            rows["modality"],
            rows["provenance"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} does not hold embeddings: {error}") from None
