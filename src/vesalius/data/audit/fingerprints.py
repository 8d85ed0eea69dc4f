"""Hashes as a file: a set can be compared with another hospital's without any image leaving it.

``hashes.csv`` has a row per image: its place in the set, the SHA-256 of its pixels, and its
perceptual hash in hexadecimal. No name, text or thumbnail stands in it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from vesalius.core import DataError
from vesalius.core.files import write_atomic
from vesalius.data.audit.twins import Prints
from vesalius.data.tables.table import read_table

COLUMNS = ("row", "pixels", "hash")
DIGITS = {"pixels": 64, "hash": 48}


def write_hashes(path: Path, own: Prints) -> Path:
    """Write the hashes of a set; images that did not open are not in it."""
    place = {row: i for i, row in enumerate(own.rows)}
    first_of: dict[str, int] = {}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for row, digest in enumerate(own.digests):
        if digest:
            first = first_of.setdefault(digest, row)
            known = first in place
            words = own.hashes_K[0][place[first]].tolist() if known else []
            rows.writerow((row, digest, "".join(f"{word:016x}" for word in words)))
    return write_atomic(path, text.getvalue())


def read_hashes(path: Path) -> Prints:
    """Read the hashes of a set that somebody else wrote.

    Raises:
        DataError: the file is missing or not of this layout; the message has its line.
    """
    table = read_table(path)
    for name, digits in DIGITS.items():
        for row, cell in enumerate(table[name]):
            if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", cell) and (cell or name == "pixels"):
                what = f"{table.place(row)}: {name!r} is {cell[:80]!r}"
                raise DataError(f"{what}, not {digits} hexadecimal digits")
    known = [i for i, cell in enumerate(table["hash"]) if cell]
    words = [[int(table["hash"][i][k : k + 16], 16) for k in (0, 16, 32)] for i in known]
    array = np.array(words, np.uint64).reshape(-1, 3)
    return Prints(tuple(table["pixels"]), tuple(known), (array,), ())
