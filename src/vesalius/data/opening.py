"""Opening every image of a set once, in threads, to see which are broken, large or the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from os import cpu_count
from typing import NamedTuple

from vesalius.core import CaseSet, ImageColumn, ImageError
from vesalius.data.decoded import Decoded
from vesalius.data.images import ImageFiles
from vesalius.data.progress import bar


class Opened(NamedTuple):
    """An image: its size and steps in words, a digest of its pixels, or why it does not open."""

    name: str
    size: str
    steps: str
    pixels: str
    fault: str


def open_all(cases: CaseSet, *, workers: int | None, progress: bool) -> list[Opened]:
    """Decode every image; one that cannot be read gives its fault instead of an error."""
    total = len(cases)
    pool = ThreadPoolExecutor(workers or cpu_count() or 1)
    try:
        with bar("opening", total, unit="images", show=progress) as advance:
            opened = []
            for found in pool.map(lambda i: _open(cases, i), range(total)):
                opened.append(found)
                advance(1)
            return opened
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest


def _open(cases: CaseSet, index: int) -> Opened:
    name = cases.images.name(index)
    try:
        image, steps = _decoded(cases.images, index)
    except ImageError as error:
        return Opened(name, "", "", "", str(error))
    kind = "colour" if image.ndim == 3 else "grey"
    digest = sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
    size = f"{image.shape[1]}×{image.shape[0]} {kind}"
    return Opened(name, size, " · ".join(steps), digest, "")


def _decoded(images: ImageColumn, index: int) -> Decoded:
    """Open an image; only files know the steps that led to its pixels."""
    return images.decoded(index) if isinstance(images, ImageFiles) else Decoded(images[index], ())
