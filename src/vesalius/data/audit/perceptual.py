"""Perceptual hashes: 121 signs of the lowest cosine frequencies, and an exact search among them.

An image is a thumbnail of 64×64; its hash says which of its 11×11 lowest DCT coefficients exceed
their median (Zauner 2010, with more coefficients). Resizing, compression, brightness and contrast
move few bits. Cropping moves many, so each image is also hashed as seven crops of it would be: a
copy cropped by up to 3 % of the side lies near one of them. The search compares every pair: first
the 8×8 lowest signs (64 bits), then all 121.

Legend of shapes: N M images, K crops, W words of 64 bits, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8, UInt64

SIDE = 64  # of a thumbnail
COARSE, FINE = 8, 11  # lowest frequencies, along each axis
NEAR_COARSE, NEAR_FINE = 6, 16  # bits that may differ: of 64 and of 121
CROP = 0.03  # of the side, in all
ROWS, COLUMNS = 256, 8192  # a block of the search fits into the cache of a core


class Crop(NamedTuple):
    """What is cut off, as shares of the side."""

    left: float
    right: float
    top: float
    bottom: float


CROPS = (
    Crop(0, 0, 0, 0),
    Crop(CROP / 2, CROP / 2, CROP / 2, CROP / 2),
    Crop(CROP, CROP, CROP, CROP),
    Crop(CROP, 0, CROP, 0),
    Crop(CROP, 0, 0, CROP),
    Crop(0, CROP, CROP, 0),
    Crop(0, CROP, 0, CROP),
)


class Candidates(NamedTuple):
    """Pairs whose hashes are near: rows of either set, the crop of the first, bits that differ."""

    first_P: Int[np.ndarray, "P"]
    second_P: Int[np.ndarray, "P"]
    crop_P: Int[np.ndarray, "P"]
    bits_P: Int[np.ndarray, "P"]


def hashes(
    thumbnails_N: UInt8[np.ndarray, "N 64 64"], crop: Crop = CROPS[0]
) -> UInt64[np.ndarray, "N 3"]:
    """Return the hash of each thumbnail, or of a crop of it: the coarse word, two fine words.

    The lowest 8×8 signs stand in the first word, all 121 in the second and third.
    """
    down, across = _basis(crop.top, crop.bottom), _basis(crop.left, crop.right)
    coefficients = np.matmul(np.matmul(down, thumbnails_N.astype(np.float32)), across.T)
    coarse = _words(_signs(coefficients[:, :COARSE, :COARSE]))
    return np.concatenate([coarse, _words(_signs(coefficients))], axis=1)


def near(first_K: list[UInt64[np.ndarray, "N 3"]], second: UInt64[np.ndarray, "M 3"]) -> Candidates:
    """Return every pair of the two sets whose hashes are near under any of the crops.

    ``first_K`` holds the hashes of the first set, one array a crop. Each pair is given once, with
    the crop under which it is nearest.
    """
    blocks = [
        (k, row, column)
        for k in range(len(first_K))
        for row in range(0, len(first_K[k]), ROWS)
        for column in range(0, len(second), COLUMNS)
    ]
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        found = [hit for hit in pool.map(lambda b: _block(first_K, second, *b), blocks) if hit]
    if not found:
        return Candidates(*(np.empty(0, np.intp) for _ in range(4)))
    joined = np.concatenate([np.stack(hit) for hit in found], axis=1)
    joined = joined[:, np.lexsort((joined[2], joined[3], joined[1], joined[0]))]
    new = np.any(joined[:2, 1:] != joined[:2, :-1], axis=0)
    return Candidates(*joined[:, np.concatenate([[True], new])])


def within(
    hashes_K: list[UInt64[np.ndarray, "N 3"]],
) -> Candidates:
    """Return every pair i < j of one set whose hashes are near, whichever of them is the crop."""
    found = near(hashes_K, hashes_K[0])
    apart = found.first_P != found.second_P
    first, second, crop, bits = (column[apart] for column in found)
    low, high = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((bits, high, low))
    keep = np.concatenate(
        [[True], (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)]
    ) if len(order) else np.empty(0, bool)  # fmt: skip
    chosen = order[keep]
    return Candidates(first[chosen], second[chosen], crop[chosen], bits[chosen])


def chunks(total: int, size: int) -> Iterator[slice]:
    """Yield slices that cut a range into pieces."""
    return (slice(i, min(i + size, total)) for i in range(0, total, size))


def _block(
    first_K: list[UInt64[np.ndarray, "N 3"]],
    second: UInt64[np.ndarray, "M 3"],
    k: int,
    row: int,
    column: int,
) -> tuple[Int[np.ndarray, "P"], ...] | None:
    own, other = first_K[k][row : row + ROWS], second[column : column + COLUMNS]
    apart = np.bitwise_count(own[:, None, 0] ^ other[None, :, 0])
    close = apart <= NEAR_COARSE
    if not close.any():
        return None
    i, j = np.nonzero(close)
    bits = np.bitwise_count(own[i, 1:] ^ other[j, 1:]).sum(1, dtype=np.intp)
    fine = bits <= NEAR_FINE
    if not fine.any():
        return None
    i, j, bits = i[fine], j[fine], bits[fine]
    return i + row, j + column, np.full(len(i), k), bits


def _basis(start: float, end: float) -> Float[np.ndarray, "11 64"]:
    """Return cosines that act on a whole side and see what a crop of it, enlarged, would show."""
    places = np.clip(start * SIDE + (np.arange(SIDE) + 0.5) * (1 - start - end) - 0.5, 0, SIDE - 1)
    left = np.minimum(places.astype(int), SIDE - 2)
    resample = np.zeros((SIDE, SIDE))
    resample[np.arange(SIDE), left] += 1 - (places - left)
    resample[np.arange(SIDE), left + 1] += places - left
    angles = np.pi * np.arange(FINE)[:, None] * (np.arange(SIDE) + 0.5) / SIDE
    return (np.cos(angles) @ resample).astype(np.float32)


def _signs(coefficients: Float[np.ndarray, "N k k"]) -> UInt8[np.ndarray, "N bits"]:
    flat = coefficients.reshape(len(coefficients), coefficients.shape[1] * coefficients.shape[2])
    return (flat > np.median(flat, axis=1, keepdims=True)).astype(np.uint8)


def _words(bits: UInt8[np.ndarray, "N bits"]) -> UInt64[np.ndarray, "N W"]:
    missing = -bits.shape[1] % 64
    padded = np.pad(bits, ((0, 0), (0, missing)))
    return np.ascontiguousarray(np.packbits(padded, axis=1)).view(np.uint64)
