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
    in the folder before stays whole until then. Vectors of the same model may be written anew, also
    with further cases.

    Raises:
        DataError: the folder holds vectors of other cases, or made in another way.
    """
    folder = Path(folder)
    if (folder / ROWS).exists():
        _refuse_other(embeddings, folder)
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


def _refuse_other(embeddings: Embeddings, folder: Path) -> None:
    there = read_json(folder / ROWS)
    made = {"modality": embeddings.modality, **embeddings.provenance}
    before = {"modality": there.get("modality"), **there.get("provenance", {})}
    differ = [key for key in {**before, **made} if before.get(key) != made.get(key)]
    differ = [key for key in differ if key != "data_hash"]
    if differ:
        key = differ[0]
        what = f"of another origin: {key} is {before.get(key)!r} there, {made.get(key)!r} here"
    elif gone := sorted(set(there.get("case_ids", ())) - set(embeddings.case_ids.tolist())):
        what = f"of {len(gone):,} cases that are not among the new ones, such as {gone[0]!r}"
    else:
        return
    raise DataError(
        f"{folder} holds embeddings {what}; they are left as they are: choose another folder "
        "(--out) or delete that one"
    )


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
