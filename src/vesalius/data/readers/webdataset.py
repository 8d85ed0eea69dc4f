"""WebDataset: tar shards of ``KEY.jpg|png``, ``KEY.txt``, ``KEY.json``, ``KEY.mask.NAME.png``.

Nothing in a shard is run or unpacked: no pickles, no pipes, no addresses. Images and masks are
read from their place in the tar when they are asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.containers.conversion_index import conversion_index
from vesalius.data.containers.facts import Facts, typed
from vesalius.data.containers.shard_columns import IMAGES, Sample, ShardImages, ShardRegions
from vesalius.data.containers.shard_index import shard_members
from vesalius.data.containers.tar_members import read_at
from vesalius.data.splits import ALIASES, split_name
from vesalius.data.tables.questions import Questions

CAPTIONS = ("text", "caption")


def webdataset(root: Path, *, text: str | None = None) -> CaseSet:
    """Read a folder of ``*.tar`` shards (or in ``train/``, ``val/``, ``test/``), or one shard.

    Shards of ``vesalius data convert`` give back all that went in. Others need an image a sample;
    ``.txt`` is the text, or a field of ``.json``; the JSON's other plain fields become attributes.
    Members of other kinds (``.cls``, ``.npy``, ``.pyd`` …) are not read, and counted as skipped.

    Args:
        root: the folder, or one ``.tar``.
        text: field of the JSON that holds the text where there is no ``.txt``; by default
            ``text`` or ``caption``.

    Raises:
        DataError: a shard is missing, damaged or not safe (links, absolute or ``..`` names), or
            no sample has an image.
    """
    header = conversion_index(root, "shards")
    shards = shard_files(root, header)
    samples, skipped = _samples(root, shards)
    if not samples:
        raise DataError(f"{root}: no sample of {len(shards)} shards has an image")
    facts = [_facts(shards, sample) for sample in samples]
    own = header is not None
    parsed = [Facts.parse(f if own else {}, s.place(shards))
              for s, f in zip(samples, facts, strict=True)]  # fmt: skip
    texts = [_text(shards, s, f, text, own) for s, f in zip(samples, facts, strict=True)]
    names = tuple(header["labels"]) if header else ()
    splits = _splits(root, shards, samples, parsed)
    has = header["has"] if header else {}
    return CaseSet(
        case_ids=_case_ids(samples, parsed, shards),
        images=ShardImages(
            tuple(shards), np.array([s.image for s in samples], np.int64).reshape(-1, 3),
            [s.key for s in samples],
        ),
        labels_NC=np.array(
            [[f.labels.get(n, np.nan) for n in names] for f in parsed], float
        ).reshape(len(samples), len(names)),
        label_names=names,
        patient_ids=_column([f.patient_id for f in parsed]) if has.get("patient_ids") else None,
        texts=np.array(texts, dtype=object) if any(texts) or has.get("texts") else None,
        splits=splits,
        attributes=_attributes(parsed, header) if header else _plain_fields(facts, text),
        regions=ShardRegions(tuple(shards), samples, parsed) if has.get("regions") else None,
        questions=Questions([f.questions for f in parsed]) if has.get("questions") else None,
        skipped=(*skipped, *(Skipped(*row) for row in (header or {}).get("skipped", ()))),
        task=header["task"] if header else "multilabel",
        source=header["source"] if header else f"webdataset {root.name}",
    )  # fmt: skip


def shard_files(root: Path, header: dict[str, Any] | None) -> list[Path]:
    """Return the shards of a folder, those of a conversion by its index."""
    if root.is_file():
        if root.suffix != ".tar":
            raise DataError(f"{root} is not a .tar file")
        return [root]
    if header is not None:
        return [root / Path(name).name for name in sorted(header["files"])]
    found = sorted(root.glob("*.tar"))
    splits = [p for p in sorted(root.iterdir()) if p.is_dir() and p.name.lower() in ALIASES]
    found += [tar for folder in splits for tar in sorted(folder.glob("*.tar"))]
    if not found:
        raise DataError(f"{root} has no .tar files, nor have its folders train, val, test")
    return found


def _samples(root: Path, shards: list[Path]) -> tuple[list[Sample], list[Skipped]]:
    """Group the members by shard and key; what has no image, or is of no use, is counted."""
    columns = shard_members(root, shards)
    by_key: dict[tuple[int, str], Sample] = {}
    unread: Counter[str] = Counter()
    for shard, key, kind, offset, size in zip(*columns.values(), strict=True):
        sample = by_key.setdefault((shard, key), Sample(key, shard))
        if kind in sample.members:
            raise DataError(f"{sample.place(shards)} has {kind!r} twice")
        sample.members[kind] = (shard, offset, size)
        if kind not in (*IMAGES, "txt", "json") and not kind.startswith("mask."):
            unread[kind] += 1
    skipped = [Skipped(f"*.{k}", f"{n:,} members of this kind, not read")
               for k, n in unread.items()]  # fmt: skip
    skipped += [
        Skipped(f"{shards[s.shard].name}/{s.key}", "no image in this sample")
        for s in by_key.values() if not s.has_image()
    ]  # fmt: skip
    return [s for s in by_key.values() if s.has_image()], skipped


def _facts(shards: list[Path], sample: Sample) -> dict[str, Any]:
    if "json" not in sample.members:
        return {}
    shard, offset, size = sample.members["json"]
    return parse_facts(read_at(shards[shard], offset, size), sample.place(shards))


def parse_facts(content: bytes, place: str) -> dict[str, Any]:
    """Return the object that a ``.json`` member holds.

    Raises:
        DataError: it is not valid JSON, or no object.
    """
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not valid JSON ({error})") from None
    if not isinstance(plain, dict):
        raise DataError(f"{place}: a JSON {type(plain).__name__}, not an object")
    return plain


def _text(
    shards: list[Path], sample: Sample, facts: dict[str, Any], field: str | None, own: bool
) -> str | None:
    content = None
    if "txt" in sample.members:
        shard, offset, size = sample.members["txt"]
        content = read_at(shards[shard], offset, size)
    return text_of(content, {} if own else facts, field)


def text_of(content: bytes | None, facts: dict[str, Any], field: str | None) -> str | None:
    """Return the words of a ``.txt`` member, or of the JSON's field where there is none."""
    if content is not None:
        try:
            return content.decode("utf-8-sig").strip() or None
        except UnicodeDecodeError:
            return content.decode("cp1252", "replace").strip() or None
    for name in CAPTIONS if field is None else (field,):
        if isinstance(facts.get(name), str) and facts[name].strip():
            return str(facts[name].strip())
    return None


def _splits(
    root: Path, shards: list[Path], samples: list[Sample], facts: list[Facts]
) -> NDArray[np.str_] | None:
    if any(own.split is not None for own in facts):
        names = [own.split and split_name(own.split, "shards") for own in facts]
        return np.array([name or "" for name in names], dtype="<U10")
    folders = [shards[s.shard].parent for s in samples]
    if all(folder == root or root.is_file() for folder in folders):
        return None
    return np.array([ALIASES.get(f.name.lower(), "") for f in folders], dtype="<U10")


def _case_ids(samples: list[Sample], facts: list[Facts], shards: list[Path]) -> NDArray[np.str_]:
    ids = [own.case_id or sample.key for own, sample in zip(facts, samples, strict=True)]
    if len(set(ids)) < len(ids):
        ids = [f"{shards[s.shard].parent.name}/{shards[s.shard].stem}/{s.key}" for s in samples]
    return np.array(ids, dtype=np.str_)


def _column(values: Sequence[str | None]) -> NDArray[np.str_]:
    return np.array([value or "" for value in values], dtype=np.str_)


def _attributes(facts: list[Facts], header: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {
        name: typed([own.attributes.get(name) for own in facts], kind)
        for name, kind in header["attributes"].items()
    }


def _plain_fields(facts: list[dict[str, Any]], text: str | None) -> dict[str, NDArray[Any]]:
    """Return the plain fields of third-party JSON, but for the text, as columns of words."""
    taken = set(CAPTIONS if text is None else (text,))
    names = dict.fromkeys(
        k for own in facts for k, v in own.items()
        if isinstance(v, str | int | float | bool) and k not in taken
    )  # fmt: skip
    return {name: typed([own.get(name) for own in facts], "str") for name in names}
