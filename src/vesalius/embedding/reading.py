"""Read what has no row yet: each different image or text once, dealt to the ranks of a job.

Legend of shapes: N cases.
"""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, ImageColumn, ImageError
from vesalius.data.loader import BadImages, Prepare, Unreadable, read_groups
from vesalius.data.progress import Advance
from vesalius.data.ranks import agreed, gathered_objects, rank, world
from vesalius.embedding.rows import Rows

HASHED = 256  # files that a worker hashes at a time

Digest = str
Item = tuple[Digest, str, Any]  # digest, what a person calls it, model input (None: unreadable)
New = Generator[Item, None, None]
Batches = Generator[list[Item], None, None]


@dataclass(frozen=True, slots=True)
class _NewPixels:
    """Fetches an image's digest, and its prepared pixels where no row is known yet."""

    images: ImageColumn
    prepare: Prepare
    known: Container[str]

    def __call__(self, index: int) -> tuple[Digest, NDArray[np.float32] | Unreadable | None]:
        digest = self.images.content_hash(index)
        if digest in self.known:
            return digest, None
        try:
            return digest, np.asarray(self.prepare(self.images[index]))
        except (ImageError, OSError) as error:
            return digest, Unreadable(str(error))


def image_batches(
    cases: CaseSet,
    prepare: Prepare,
    rows: Rows,
    digests: list[Digest],
    bad: BadImages,
    *,
    size: int,
    workers: int | None,
    advance: Advance,
) -> Batches:
    """Yield the images without a row, each different one once; fill in all digests on the way.

    A batch is ``size`` different images, of which unreadable ones are then taken out: so it is the
    same on any number of ranks.
    """
    everything = np.arange(len(cases))
    known = rows.known()
    if world() > 1:
        groups = _own(_hashed(cases, known, digests, bad, workers=workers), size)
    else:
        groups = [everything[i : i + size] for i in range(0, len(everything), size)]
    fetch = _NewPixels(cases.images, prepare, known)
    new = _new_images(cases, fetch, groups, digests, bad, workers=workers, advance=advance)
    with closing(new):
        for batch in _batched(new, size):
            if readable := [item for item in batch if item[2] is not None]:
                yield readable


def _new_images(
    cases: CaseSet,
    fetch: _NewPixels,
    groups: Sequence[NDArray[np.integer]],
    digests: list[Digest],
    bad: BadImages,
    *,
    workers: int | None,
    advance: Advance,
) -> New:
    """Yield the images without a row, each different one once, also those that cannot be read."""
    seen: set[Digest] = set()
    asked = [group.tolist() for group in groups]
    with closing(read_groups(fetch, asked, workers=workers)) as reading:
        for indices, fetched in zip(asked, reading, strict=True):
            for index, found in zip(indices, fetched, strict=True):
                if isinstance(found, Unreadable):
                    bad.add(cases.images.name(index), found.reason)
                    continue
                digests[index], pixels = found
                if isinstance(pixels, Unreadable):
                    bad.add(cases.images.name(index), pixels.reason)
                if pixels is not None and digests[index] not in seen:
                    seen.add(digests[index])
                    given = None if isinstance(pixels, Unreadable) else pixels
                    yield digests[index], str(cases.case_ids[index]), given
            advance(len(indices))


def _hashed(
    cases: CaseSet,
    known: Container[str],
    digests: list[Digest],
    bad: BadImages,
    *,
    workers: int | None,
) -> NDArray[np.integer]:
    """Fill in all digests, each rank those of its share; return who is to be encoded, in order."""
    own = np.array_split(np.arange(len(cases)), world())[rank()]
    groups = [own[i : i + HASHED].tolist() for i in range(0, len(own), HASHED)]
    with closing(read_groups(cases.images.content_hash, groups, workers=workers)) as reading:
        found = [digest for fetched in reading for digest in fetched]
    new: dict[Digest, int] = {}
    for index, digest in enumerate(chain.from_iterable(gathered_objects(found))):
        if isinstance(digest, Unreadable):
            bad.add(cases.images.name(index), digest.reason)
        else:
            digests[index] = digest
            if digest not in known:
                new.setdefault(digest, index)
    return agreed(np.array(list(new.values()), dtype=np.intp))


def _own(new: NDArray[np.integer], size: int) -> list[NDArray[np.integer]]:
    """Return this rank's batches, every so manyth."""
    return [new[i : i + size] for i in range(0, len(new), size)][rank() :: world()]


def text_batches(
    cases: CaseSet, rows: Rows, digests: list[Digest], *, size: int, advance: Advance
) -> Batches:
    """Yield the texts without a row, each different one once, short ones first."""
    texts = [] if cases.texts is None else [text or "" for text in cases.texts]
    if not any(text.strip() for text in texts):
        raise DataError(f"{cases.source}: the cases have no texts to encode")
    known = rows.known()
    new: dict[Digest, int] = {}
    for index, text in enumerate(texts):
        if text.strip():
            digests[index] = sha256(text.encode()).hexdigest()
            if digests[index] not in known:
                new.setdefault(digests[index], index)
    advance(len(cases) - len(new))
    order = sorted(new.values(), key=lambda index: len(texts[index]))
    for group in _own(agreed(np.array(order, dtype=np.intp)), size):
        yield [(digests[i], str(cases.case_ids[i]), texts[i]) for i in group.tolist()]
        advance(len(group))


def exchange(cases: CaseSet, rows: Rows, digests: list[Digest], bad: BadImages) -> None:
    """Let every rank know all rows, and all images that cannot be read."""
    rows.exchange()
    found = chain.from_iterable(gathered_objects(bad.skipped))
    reasons = {one.name: one.reason for one in found}
    names = [cases.images.name(index) for index in range(len(cases))] if reasons else []
    of = {digests[i]: reasons[name] for i, name in enumerate(names) if name in reasons}
    bad.found.clear()
    for digest, name in zip(digests, names, strict=False):
        if reason := reasons.get(name) or (of.get(digest) if digest else None):
            bad.add(name, reason)


def _batched(new: New, size: int) -> Iterator[list[Item]]:
    batch = []
    for item in new:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def with_rows(
    rows: Rows, digests: Sequence[Digest]
) -> tuple[NDArray[np.integer], list[Digest], str]:
    """Return the positions that have a row, their digests, and the hash of all of these."""
    made = rows.known()
    there = np.array([i for i, digest in enumerate(digests) if digest in made], dtype=np.intp)
    wanted = [digests[i] for i in there]
    return there, wanted, sha256("".join(wanted).encode()).hexdigest()
