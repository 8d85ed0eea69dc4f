"""Is what was written what was read? Compared case by case, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vesalius.core import Case, CaseSet, DataError
from vesalius.core.files import read_json
from vesalius.data.convert.converting import READER, damaged
from vesalius.data.progress import bar
from vesalius.data.readers import read

NAMED = 5


def verify(cases: CaseSet, out: Path, *, progress: bool = False) -> None:
    """Check the SHA-256 of every file and read everything back.

    Raises:
        DataError: a file is damaged, or something differs; the first few are named.
    """
    index = read_json(out / "index.json")
    broken = damaged(out, index["files"])
    if broken:
        raise DataError(f"{out}: {len(broken):,} files are damaged: {', '.join(broken[:NAMED])}")
    left_out = {name for name, _ in index["skipped"]}
    rows = [i for i in range(len(cases)) if cases.images.name(i) not in left_out]
    again = read(READER[index["to"]], out)
    found = differences(cases.select(rows), again, progress=progress)
    if found:
        raise DataError(f"{out} does not read back as it was: {'; '.join(found[:NAMED])}")


def differences(first: CaseSet, second: CaseSet, *, progress: bool = False) -> list[str]:
    """Return where two sets differ, in words: pixels, labels, texts, boxes, masks, questions …"""
    if len(first) != len(second):
        return [f"{len(first):,} cases and {len(second):,}"]
    found = [
        f"{name} is {getattr(first, name)!r} and {getattr(second, name)!r}"
        for name in ("task", "label_names") if getattr(first, name) != getattr(second, name)
    ]  # fmt: skip
    with bar("comparing", len(first), unit="cases", show=progress) as advance:
        for one, other in zip(first, second, strict=True):
            found += [f"case {one.case_id!r}: {what}" for what in _apart(one, other)]
            advance(1)
    return found


def _apart(one: Case, other: Case) -> Iterator[str]:
    for name in ("case_id", "patient_id", "split", "labels", "questions"):
        if getattr(one, name) != getattr(other, name):
            yield f"{name} {getattr(one, name)!r} and {getattr(other, name)!r}"
    if tuple(one.boxes) != tuple(other.boxes):
        yield f"boxes {tuple(one.boxes)} and {tuple(other.boxes)}"
    if (one.text or "").strip() != (other.text or "").strip():
        yield "text differs"
    if not _same(one.image.read(), other.image.read()):
        yield "pixels differ"
    for name, value in one.attributes.items():
        theirs = other.attributes.get(name)
        if value != theirs and not (value != value and theirs != theirs):  # NaN is NaN
            yield f"attribute {name} {value!r} and {theirs!r}"
    if sorted(one.masks) != sorted(other.masks):
        yield f"masks {sorted(one.masks)} and {sorted(other.masks)}"
    else:
        for name, mask in one.masks.items():
            theirs = other.masks[name]
            same = _same(mask.values_HW, theirs.values_HW)
            if not same or (mask.target, mask.method) != (theirs.target, theirs.method):
                yield f"mask {name!r} differs"


def _same(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b))
