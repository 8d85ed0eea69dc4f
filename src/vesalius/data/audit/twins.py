"""Twins: images with the very same pixels, and images that are one picture, changed a little.

Near twins are candidates by their hashes, confirmed by their pixels. Where only hashes of the
other set are at hand, nothing can be confirmed, and its candidates say so.

Legend of shapes: N M images, K crops, P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.data.audit.alignment import likeness
from vesalius.data.audit.looks import Look, thumbnails
from vesalius.data.audit.perceptual import CROPS, Candidates, chunks, hashes, near, within
from vesalius.data.audit.store import LookStore

if TYPE_CHECKING:
    from jaxtyping import UInt64

FLAT = 2.0  # grey levels of standard deviation: an image without content is nobody's near twin
AT_ONCE = 4096  # thumbnails in memory
STRICT = 4  # of 121 bits: how near two hashes must be where pixels cannot be compared


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that hold one picture: in one set, or in the first and in the other.

    ``exact`` means the very same pixels. ``pixels`` and ``detail`` are the correlations that
    confirmed it, NaN where only hashes could be compared; ``bits`` of 121 differ.
    """

    first: int
    second: int
    exact: bool
    pixels: float
    detail: float
    bits: int


@dataclass(frozen=True, slots=True)
class Prints:
    """What is compared of a set: a digest of the pixels and a hash a crop, or the hash alone.

    ``rows`` are the places in the set; images that do not open, and for ``hashes_K`` flat ones,
    are left out. ``contents`` leads to the thumbnails; empty where the set came as hashes.
    """

    digests: tuple[str, ...]
    rows: tuple[int, ...]
    hashes_K: tuple[UInt64[np.ndarray, "N 3"], ...]
    contents: tuple[str, ...]
    flat: tuple[int, ...] = ()


def prints(looks: Sequence[Look], contents: Sequence[str], store: LookStore) -> Prints:
    """Hash the thumbnails of a set, some at a time; one hash for images with the same pixels."""
    digests = tuple(look.pixels for look in looks)
    first_of: dict[str, int] = {}
    for row, digest in enumerate(digests):
        if digest:
            first_of.setdefault(digest, row)
    rows: list[int] = []
    flat: list[int] = []
    parts: list[list[UInt64[np.ndarray, "N 3"]]] = [[] for _ in CROPS]
    everyone = list(first_of.values())
    for piece in chunks(len(everyone), AT_ONCE):
        some = np.array(everyone[piece])
        images = thumbnails(store, [contents[row] for row in some])
        full = images.reshape(len(images), -1).std(1) >= FLAT
        flat += some[~full].tolist()
        rows += some[full].tolist()
        for own, crop in zip(parts, CROPS, strict=True):
            own.append(hashes(images[full], crop))
    joined = tuple(np.concatenate(own) if own else np.empty((0, 3), np.uint64) for own in parts)
    return Prints(digests, tuple(rows), joined, tuple(contents), tuple(flat))


def exact_groups(digests: Sequence[str]) -> list[list[int]]:
    """Return the rows that share their pixels, group by group; what did not open is no twin."""
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest:
            rows_of.setdefault(digest, []).append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def near_pairs(own: Prints, store: LookStore) -> list[Pair]:
    """Return the near twins within a set, confirmed by their pixels."""
    return _confirmed(own, own, within(list(own.hashes_K)), store)


def pairs_between(own: Prints, other: Prints, store: LookStore) -> list[Pair]:
    """Return the exact and near twins of a set in another one, each row of the first with each.

    Where the other set came as hashes, a near twin is one within ``STRICT`` bits, unconfirmed.
    """
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(other.digests):
        if digest:
            rows_of.setdefault(digest, []).append(row)
    exact = [
        Pair(first, second, True, 1.0, 1.0, 0)
        for first, digest in enumerate(own.digests)
        for second in rows_of.get(digest, ())
    ]
    found = near(list(own.hashes_K), other.hashes_K[0])
    if not other.contents:
        near_ones = _unconfirmed(own, other, found)
    else:
        back = near(list(other.hashes_K), own.hashes_K[0])
        near_ones = _confirmed(own, other, found, store)
        seen = {(pair.first, pair.second) for pair in near_ones}
        turned = _confirmed(other, own, back, store)
        near_ones += [
            Pair(p.second, p.first, False, p.pixels, p.detail, p.bits)
            for p in turned if (p.second, p.first) not in seen
        ]  # fmt: skip
    return exact + [p for p in near_ones if own.digests[p.first] != other.digests[p.second]]


def _unconfirmed(own: Prints, other: Prints, found: Candidates) -> list[Pair]:
    return [
        Pair(own.rows[i], other.rows[j], False, nan, nan, int(bits))
        for i, j, _, bits in zip(*found, strict=True) if bits <= STRICT
    ]  # fmt: skip


def _confirmed(own: Prints, other: Prints, found: Candidates, store: LookStore) -> list[Pair]:
    pairs = []
    for piece in chunks(len(found.first_P), AT_ONCE):
        i, j, crops, bits = (column[piece] for column in found)
        first = [own.rows[k] for k in i]
        second = [other.rows[k] for k in j]
        alike = likeness(
            thumbnails(store, [own.contents[row] for row in first]),
            thumbnails(store, [other.contents[row] for row in second]),
            crops,
        )
        for k in np.flatnonzero(alike.same_P):
            pixels, detail = float(alike.pixels_P[k]), float(alike.detail_P[k])
            pairs.append(Pair(first[k], second[k], False, pixels, detail, int(bits[k])))
    return pairs
