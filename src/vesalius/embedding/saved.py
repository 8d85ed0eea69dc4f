"""Embeddings as a folder: ``rows.json`` and the values beside it, memory-mapped when opened."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np

from vesalius.core import DataError, Embeddings
from vesalius.core.files import read_json, write_atomic, write_json

ROWS = "rows.json"


def save(embeddings: Embeddings, folder: str | Path) -> Path:
    """Write embeddings into a folder that :func:`open_embeddings` and numpy can read.

    The values go first, named by their content, and ``rows.json``, which names them, last: what lay
    in the folder before stays whole until then.
    """
    folder = Path(folder)
    values_ND = np.ascontiguousarray(embeddings.values_ND)
    name = f"values-{sha256(values_ND.tobytes()).hexdigest()[:12]}.npy"
    write_atomic(folder / name, lambda path: np.save(path, values_ND))
    write_json(
        folder / ROWS,
        {
            "values": name,
            "modality": embeddings.modality,
            "case_ids": embeddings.case_ids.tolist(),
            "provenance": dict(embeddings.provenance),
        },
    )
    for other in folder.glob("values-*.npy"):
        if other.name != name:
            other.unlink(missing_ok=True)
    return folder


def open_embeddings(folder: str | Path) -> Embeddings:
    """Open a folder of embeddings; the values are memory-mapped, not read.

    Raises:
        DataError: the folder holds none, or they are broken.
    """
    folder = Path(folder)
    if not (folder / ROWS).exists():
        raise DataError(f"{folder} holds no embeddings: there is no {ROWS}")
    rows = read_json(folder / ROWS)
    try:
        values_ND = np.load(folder / Path(rows["values"]).name, mmap_mode="r", allow_pickle=False)
        return Embeddings(
            values_ND,
            np.array(rows["case_ids"], dtype=np.str_),
            rows["modality"],
            rows["provenance"],
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, DataError) as error:
        raise DataError(f"{folder} does not hold whole embeddings: {error}") from None
