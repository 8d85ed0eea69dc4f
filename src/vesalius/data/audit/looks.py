"""One look at an image: all that an audit wants of its pixels, so that it is decoded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from os import cpu_count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vesalius.core import CaseSet, ImageColumn, ImageError
from vesalius.data.audit.burned_in import text_rows
from vesalius.data.audit.perceptual import SIDE
from vesalius.data.audit.store import LookStore
from vesalius.data.loader import Unreadable, chosen_workers, read_groups
from vesalius.data.progress import bar

if TYPE_CHECKING:
    from jaxtyping import UInt8

AT_ONCE = 32  # images a worker looks at before it hands them over


class Look(NamedTuple):
    """A digest of the pixels, a thumbnail, and how many rows of burned-in text there seem to be.

    ``fault`` says why the image does not open; the rest is empty then.
    """

    pixels: str
    width: int
    height: int
    text_rows: int
    fault: str
    thumbnail: bytes

    @property
    def size(self) -> str:
        return f"{self.width}×{self.height}"


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks at one image of a column; it travels to the workers."""

    images: ImageColumn

    def __call__(self, index: int) -> Look:
        return look(self.images[index])


def look(image: UInt8[np.ndarray, "H W ..."]) -> Look:
    """Return what an audit wants of an image."""
    height, width = image.shape[:2]
    digest = sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()
    grey = _grey(image)
    return Look(digest, width, height, text_rows(grey), "", thumbnail(grey).tobytes())


def thumbnail(image: UInt8[np.ndarray, "H W ..."]) -> UInt8[np.ndarray, "64 64"]:
    """Return the image in grey, 64×64, its aspect ratio not kept."""
    from PIL import Image

    grey = Image.fromarray(_grey(image))
    smooth = Image.Resampling.BOX if min(grey.size) >= SIDE else Image.Resampling.BILINEAR
    return np.array(grey.resize((SIDE, SIDE), smooth))


def look_at_all(
    cases: CaseSet, store: LookStore, *, workers: int | None, progress: bool
) -> list[str]:
    """Look at every image that the store has not seen; return the content hash of each image.

    An image that cannot be read gets a look that says why; its hash is ``""`` where even the
    bytes cannot be had.
    """
    hashes = _content_hashes(cases, store, progress=progress)
    unseen = store.missing(hashes)
    rows: dict[str, int] = {}
    for row, digest in enumerate(hashes):
        if digest in unseen:
            rows.setdefault(digest, row)
    wanted = list(rows.values())
    groups = [wanted[i : i + AT_ONCE] for i in range(0, len(wanted), AT_ONCE)]
    processes = chosen_workers(len(wanted)) if workers is None else workers
    with bar("looking", len(cases), unit="images", done=len(cases) - len(wanted),
             show=progress) as advance:  # fmt: skip
        reading = read_groups(Looking(cases.images), groups, workers=processes)
        for group, found in zip(groups, reading, strict=True):
            looks = [broken(f.reason) if isinstance(f, Unreadable) else f for f in found]
            store.put((hashes[row], own) for row, own in zip(group, looks, strict=True))
            advance(len(group))
    return hashes


def broken(reason: str) -> Look:
    """Return the look of an image that does not open."""
    return Look("", 0, 0, 0, reason, b"")


def _content_hashes(cases: CaseSet, store: LookStore, *, progress: bool) -> list[str]:
    """Return the content hashes; an unreadable file gets its reason into the store."""
    found: list[str] = []
    with (
        bar("hashing", len(cases), unit="images", show=progress) as advance,
        ThreadPoolExecutor(cpu_count() or 1) as pool,
    ):
        for start in range(0, len(cases), 1024):
            rows = range(start, min(start + 1024, len(cases)))
            for digest, fault in pool.map(lambda i: _content_hash(cases.images, i), rows):
                if fault:
                    store.put([(digest, broken(fault))])
                found.append(digest)
            advance(len(rows))
    return found


def _content_hash(images: ImageColumn, index: int) -> tuple[str, str]:
    try:
        return images.content_hash(index), ""
    except ImageError as error:
        return f"no file {images.name(index)}", str(error)


def thumbnails(
    store: LookStore, hashes: Sequence[str] | Iterable[str]
) -> UInt8[np.ndarray, "N 64 64"]:
    """Return the thumbnails of images by content hash; all must have been looked at and opened."""
    own = list(hashes)
    looks = store.get(own)
    joined = b"".join(looks[digest].thumbnail for digest in own)
    return np.frombuffer(joined, np.uint8).reshape(len(own), SIDE, SIDE)


def _grey(image: UInt8[np.ndarray, "H W ..."]) -> UInt8[np.ndarray, "H W"]:
    if image.ndim == 2:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).convert("L"))
