"""Encode: from images or texts to rows, each different one once.

Legend of shapes: N cases, B batch, D width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import (
    CaseSet,
    DataError,
    Embeddings,
    ImageColumn,
    ImageError,
    ModelError,
    unknown,
)
from vesalius.data.loader import BadImages, Prepare, Unreadable, read_groups
from vesalius.data.progress import Advance, bar
from vesalius.data.ranks import agreed, gathered_objects, rank, world
from vesalius.embedding.rows import MemoryRows, Rows, Store, pieces

if TYPE_CHECKING:
    from torch import nn

    from vesalius.encoders import DualEncoder

log = logging.getLogger(__name__)

TYPES = {"fp32": np.float32, "fp16": np.float16}
HASHED = 256  # files that a worker hashes at a time
NAMED = 5  # inputs that an error names

Digest = str
Item = tuple[Digest, str, Any]  # digest, what a person calls it, model input (None: unreadable)
New = Generator[Item, None, None]
Batches = Generator[list[Item], None, None]


def encode(
    model: DualEncoder,
    cases: CaseSet,
    modality: Literal["image", "text"] = "image",
    *,
    store: str | Path | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    batch_size: int = 64,
    workers: int | None = None,
    max_bad: float = 0.05,
    device: str | None = None,
    progress: bool = True,
) -> Embeddings:
    """Return one unnormalised row for each case whose image can be read (or that has a text).

    The model is borrowed: mode, gradients and device come back as they were. A case without a row
    is listed in the store's ``skipped.json`` and in the log. The ranks of a job share the work by
    batches, and each returns all rows: those that one rank would have made.

    Args:
        store: a folder that keeps rows by the content of image or text and by all that changes
            them (weights, preprocessing, tokenizer, precision, modality): nothing is encoded twice,
            and a killed run goes on. Several processes may use it at once.
        precision: ``fp16`` halves the store; the model computes in its own precision.
        workers: processes that read images; None chooses by the number of images and cores.
        max_bad: share of unreadable images above which the work stops.
        device: where the model computes; by default where it is.
        progress: show a bar with rate and remaining time on the terminal.

    Raises:
        DataError: too many images are unreadable, or there is no text at all.
        ModelError: the model gives a value that is not finite (in this precision).
    """
    if modality not in ("image", "text"):
        raise unknown("modality", modality, ("image", "text"))
    if precision not in TYPES:
        raise unknown("precision", precision, TYPES)
    key = {**model.identity(), "modality": modality, "precision": precision}
    rows: Rows = MemoryRows() if store is None else Store(store, key)
    bad = BadImages(len(cases), most=max_bad)
    digests: list[Digest] = [""] * len(cases)
    shown = bar(
        f"encoding {modality}s", len(cases), unit=f"{modality}s", show=progress and rank() == 0
    )
    with _evaluating(model, device), shown as advance:
        if modality == "image":
            reading = _image_batches(
                cases, model.preprocess, rows, digests, bad,
                size=batch_size, workers=workers, advance=advance,
            )  # fmt: skip
            compute = _image_rows(model)
        else:
            reading = _text_batches(cases, rows, digests, size=batch_size, advance=advance)
            compute = _text_rows(model)
        with closing(reading), pieces(rows, TYPES[precision]) as keep:
            for batch in reading:
                keep([digest for digest, _, _ in batch], _finite(compute, batch, precision))
    if world() > 1:
        _exchange(cases, rows, digests, bad)
    if isinstance(rows, Store) and rank() == 0:
        rows.note_skipped(bad.skipped)
    made = rows.known()
    there = np.array([i for i, digest in enumerate(digests) if digest in made], dtype=np.intp)
    wanted = [digests[i] for i in there]
    return Embeddings(
        rows.of(wanted).reshape(len(wanted), model.width),
        cases.case_ids[there],
        modality,
        {**key, "data_hash": sha256("".join(wanted).encode()).hexdigest()},
    )


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


def _image_batches(
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


def _text_batches(
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


def _exchange(cases: CaseSet, rows: Rows, digests: list[Digest], bad: BadImages) -> None:
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


def _image_rows(model: DualEncoder) -> Callable[[list[Any]], Any]:
    import torch

    return lambda inputs: model.encode_image(torch.from_numpy(np.stack(inputs)))


def _text_rows(model: DualEncoder) -> Callable[[list[Any]], Any]:
    return model.encode_text


def _finite(
    compute: Callable[[list[Any]], Any], batch: list[tuple[Digest, str, Any]], precision: str
) -> NDArray[Any]:
    values_BD = compute([given for _, _, given in batch]).float().cpu().numpy()
    with np.errstate(over="ignore"):
        wrong_B = ~np.isfinite(values_BD.astype(TYPES[precision])).all(1)
    if wrong_B.any():
        named = [name for (_, name, _), wrong in zip(batch, wrong_B, strict=True) if wrong][:NAMED]
        raise ModelError(
            f"{int(wrong_B.sum())} of {len(batch)} embeddings are not finite in {precision}, "
            f"first those of {', '.join(named)}"
        )
    return np.asarray(values_BD)


@contextmanager
def _evaluating(model: DualEncoder, device: str | None) -> Iterator[None]:
    """Borrow the model: evaluation mode, no gradients, another device; all given back."""
    import torch

    modes: list[tuple[nn.Module, bool]] = [(part, part.training) for part in model.modules()]
    home = next(model.parameters()).device
    try:
        if device is not None:
            model.to(device)
        model.eval()
        with torch.no_grad():  # inference mode would mark what a model caches as untrainable
            yield
    finally:
        model.to(home)
        for part, mode in modes:
            part.training = mode
