"""Shards: tar files of ``KEY.png|jpg, KEY.txt, KEY.json, KEY.mask.NAME.png`` (WebDataset)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from vesalius.core import CaseSet, ImageError, Skipped
from vesalius.core.files import write_atomic
from vesalius.data.containers.facts import facts_of, filed_masks
from vesalius.data.convert.encoding import image_file, mask_file, masks_of


def write_shard(
    cases: CaseSet, rows: range, out: Path, number: int, *, keep: bool
) -> tuple[list[str], list[Skipped]]:
    """Write one shard, whole or not at all; return its name and the images that do not open.

    The same cases give the same bytes: members carry no time and no owner.
    """
    name = f"shard-{number:06d}.tar"
    skipped: list[Skipped] = []

    def write(path: Path) -> None:
        with tarfile.open(path, "w:", format=tarfile.GNU_FORMAT) as tar:
            for row in rows:
                try:
                    members = list(_members(cases, row, keep=keep))
                except ImageError as error:
                    skipped.append(Skipped(cases.images.name(row), str(error)))
                    continue
                for suffix, content in members:
                    member = tarfile.TarInfo(f"{row:09d}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))

    write_atomic(out / name, write)
    return [name], skipped


def _members(cases: CaseSet, row: int, *, keep: bool) -> Iterator[tuple[str, bytes]]:
    yield image_file(cases, row, keep=keep)
    text = None if cases.texts is None else cases.texts[row]
    if text:
        yield "txt", text.encode("utf-8", "surrogatepass")
    masks = filed_masks(masks_of(cases, row))
    facts = facts_of(cases, row, masks)
    yield "json", json.dumps(facts, ensure_ascii=False, allow_nan=False).encode()
    for file, (_, mask) in masks.items():
        yield f"mask.{file}.png", mask_file(mask)
