"""Shards as a stream: for sets that are too large to hold as columns.

Members are read in the order of the tar; a buffer of bounded length shuffles them. Shards are
dealt to the ranks of a job and to the workers of a loader, so that together they see every sample
exactly once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import ArrayImages, Case, DataError, ImageError, LazyImage, Mask
from vesalius.data import ranks as job
from vesalius.data.containers.conversion_index import conversion_index
from vesalius.data.containers.facts import Facts
from vesalius.data.containers.shard_columns import IMAGES
from vesalius.data.containers.tar_members import Member, members, read_at
from vesalius.data.images.pictures import decode_image
from vesalius.data.readers.webdataset import parse_facts, shard_files, text_of


def stream_shards(
    root: str | Path,
    *,
    rng: np.random.Generator | None = None,
    buffer: int = 1000,
    rank: int | None = None,
    ranks: int | None = None,
    text: str | None = None,
    bad: list[tuple[str, str]] | None = None,
) -> Iterator[Case]:
    """Yield the cases of shards, decoded, without holding more than ``buffer`` of them.

    Args:
        root: a folder of shards or one shard, as for the reader ``webdataset``.
        rng: shuffles the shards and the buffer, and must be alike on every rank and worker;
            None keeps the order of the files.
        buffer: samples (undecoded) that are held for shuffling.
        rank: of this process, of ``ranks`` in the job; by default as ``data.ranks`` knows them.
            Workers of a torch loader are told apart by themselves.
        text: field of the JSON that holds the text where there is no ``.txt``.
        bad: collects what does not open, as name and reason; by default an error stops.

    Raises:
        DataError: as the reader; or there are fewer shards than processes that read.
        ImageError: an image does not open, and ``bad`` is None.
    """
    folder = Path(root)
    rank = job.rank() if rank is None else rank
    ranks = job.world() if ranks is None else ranks
    if buffer < 1 or not 0 <= rank < ranks:
        raise DataError(f"buffer={buffer} must be 1 or more, rank={rank} in 0–{ranks - 1}")
    if not folder.exists():
        raise DataError(f"there is no folder {str(root)!r}")
    header = conversion_index(folder, "shards")
    shards = shard_files(folder, header)
    worker, workers = _worker()
    reader, readers = worker * ranks + rank, ranks * workers  # ranks differ by one shard at most
    if len(shards) < readers:
        raise DataError(f"{root}: {len(shards)} shards cannot be dealt to {readers} readers")
    order = np.arange(len(shards)) if rng is None else rng.permutation(len(shards))
    own = [shards[i] for i in order[reader::readers]]
    raw = (sample for path in own for sample in _samples(path))
    for path, key, parts in raw if rng is None else _shuffled(raw, rng, buffer):
        try:
            yield _case(path, key, parts, header, text)
        except ImageError as error:
            if bad is None:
                raise
            bad.append((f"{path.name}/{key}", str(error)))


Raw = tuple[Path, str, dict[str, bytes]]


def _worker() -> tuple[int, int]:
    """Return this loader worker and how many there are; torch is not loaded to know it."""
    if "torch.utils.data" not in sys.modules:
        return 0, 1
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _samples(path: Path) -> Iterator[Raw]:
    """Yield the samples of a tar: neighbouring members of one key; others are not theirs."""
    waiting: list[Member] = []
    for member in members(path):
        if waiting and member.key != waiting[0].key:
            yield from _read(path, waiting)
            waiting = []
        waiting.append(member)
    if waiting:
        yield from _read(path, waiting)


def _read(path: Path, parts: list[Member]) -> Iterator[Raw]:
    wanted = [m for m in parts if m.kind in (*IMAGES, "txt", "json") or m.kind[:5] == "mask."]
    if any(member.kind in IMAGES for member in wanted):
        yield path, parts[0].key, {m.kind: read_at(path, m.offset, m.size) for m in wanted}


def _shuffled(samples: Iterator[Raw], rng: np.random.Generator, buffer: int) -> Iterator[Raw]:
    """Hold ``buffer`` samples; each that comes takes the place of one that goes."""
    held: list[Raw] = []
    for sample in samples:
        if len(held) < buffer:
            held.append(sample)
            continue
        place = int(rng.integers(buffer))
        yield held[place]
        held[place] = sample
    for place in rng.permutation(len(held)):
        yield held[place]


def _case(
    path: Path, key: str, parts: dict[str, bytes], header: dict[str, Any] | None, text: str | None
) -> Case:
    place = f"{path}/{key}"
    plain = parse_facts(parts["json"], place) if "json" in parts else {}
    facts = Facts.parse(plain if header else {}, place)
    image = decode_image(next(parts[kind] for kind in IMAGES if kind in parts), name=place)
    masks = {}
    for file, (name, target, method) in facts.masks.items():
        if f"mask.{file}.png" not in parts:
            raise DataError(f"{place} has no mask.{file}.png")
        values = decode_image(parts[f"mask.{file}.png"], name=f"{place}, mask.{file}.png")
        masks[name] = Mask(values > 127, target, method)
    others = {k: v for k, v in plain.items() if isinstance(v, str | int | float | bool)}
    names = header["labels"] if header else ()
    states = {name: facts.labels.get(name, np.nan) for name in names}
    return Case(
        case_id=facts.case_id or key,
        patient_id=facts.patient_id,
        image=LazyImage(ArrayImages(image[None], [place]), 0),
        text=text_of(parts.get("txt"), {} if header else plain, text),
        labels={name: None if np.isnan(v) else bool(v) for name, v in states.items()},
        boxes=facts.boxes,
        masks=masks,
        split=facts.split,
        attributes=facts.attributes if header else others,
        questions=facts.questions,
        source=header["source"] if header else f"webdataset {path.name}",
    )
