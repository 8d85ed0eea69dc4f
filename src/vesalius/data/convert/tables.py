"""A manifest folder: ``manifest.csv``, images, and tables of boxes, masks and questions beside it.

Images and masks are written part by part; the facts of a part wait in its record, and the tables
are made of them at the end.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vesalius.core import CaseSet, DataError, ImageError, Skipped
from vesalius.core.files import write_atomic
from vesalius.data.containers.facts import facts_of, filed_masks
from vesalius.data.convert.encoding import image_file, mask_file, masks_of

ROLES = ("image", "case_id", "patient_id", "split", "text")
TABLES = {
    "boxes": ("case_id", "label", "x", "y", "width", "height"),
    "masks": ("case_id", "mask", "name", "target", "method"),
    "questions": ("case_id", "question", "answer", "kind"),
}


def write_images(
    cases: CaseSet, rows: range, out: Path, number: int, *, keep: bool
) -> tuple[list[str], list[Skipped]]:
    """Write the images and masks of some cases, and their facts into ``.parts/facts-….jsonl``."""
    files: list[str] = []
    skipped: list[Skipped] = []
    facts: list[str] = []
    for row in rows:
        try:
            suffix, content = image_file(cases, row, keep=keep)
        except ImageError as error:
            skipped.append(Skipped(cases.images.name(row), str(error)))
            continue
        image = f"images/{row // 1000:06d}/{row:09d}.{suffix}"
        write_atomic(out / image, content)
        files.append(image)
        masks = filed_masks(masks_of(cases, row))
        for file, (_, mask) in masks.items():
            place = f"masks/{row // 1000:06d}/{row:09d}.{file}.png"
            files.append(place)
            write_atomic(out / place, mask_file(mask))
        plain = {"image": image, **facts_of(cases, row, masks)}
        plain["text"] = None if cases.texts is None else cases.texts[row]
        facts.append(json.dumps(plain, allow_nan=False))
    write_atomic(out / ".parts" / f"facts-{number:06d}.jsonl", "\n".join([*facts, ""]))
    return files, skipped


def write_tables(cases: CaseSet, out: Path, parts: int) -> list[str]:
    """Write ``manifest.csv`` and the tables beside it; return their names."""
    columns = column_names(cases)
    head = [
        *_roles(cases), *columns["labels"].values(), *columns["attributes"].values()
    ]  # fmt: skip
    rows = ([*_cells(cases, facts)] for facts in _facts(out, parts))
    names = [_write(out / "manifest.csv", head, rows)]
    present = {
        "boxes": cases.regions is not None,
        "masks": cases.regions is not None,
        "questions": cases.questions is not None,
    }
    for table, header in TABLES.items():
        if present[table]:
            lines = (line for facts in _facts(out, parts) for line in _lines(table, facts))
            names.append(_write(out / f"{table}.csv", header, lines))
    return names


def column_names(cases: CaseSet) -> dict[str, dict[str, str]]:
    """Return the column of each label and attribute; a name that is taken gets a number."""
    taken = {name.casefold() for name in (*ROLES, "mask")}

    def place(name: str) -> str:
        own = plain = " ".join(name.split()) or "unnamed"
        number = 2
        while own.casefold() in taken:
            own, number = f"{plain} {number}", number + 1
        taken.add(own.casefold())
        return own

    return {
        "labels": {name: place(name) for name in cases.label_names},
        "attributes": {name: place(name) for name in cases.attributes},
    }


def _roles(cases: CaseSet) -> list[str]:
    held = {"patient_id": cases.patient_ids, "split": cases.splits, "text": cases.texts}
    return [role for role in ROLES if role not in held or held[role] is not None]


def _cells(cases: CaseSet, facts: dict[str, Any]) -> Iterator[Any]:
    for role in _roles(cases):
        yield facts[role]
    yield from facts["labels"].values()
    yield from facts["attributes"].values()


def _lines(table: str, facts: dict[str, Any]) -> Iterator[Sequence[Any]]:
    key = facts["case_id"]
    if table == "masks":
        stem = facts["image"].replace("images/", "masks/", 1).rpartition(".")[0]
        for file, (name, target, method) in facts["masks"].items():
            yield key, f"{stem}.{file}.png", name, target, method
    else:
        for values in facts[table]:
            yield key, *values


def _facts(out: Path, parts: int) -> Iterator[dict[str, Any]]:
    for number in range(parts):
        with (out / ".parts" / f"facts-{number:06d}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        cells = ["" if value is None else value for value in row]
        if any(isinstance(value, str) and "\0" in value for value in cells):
            raise DataError(f"{path}: a value of case {cells[1]!r} holds a null character")
        writer.writerow(cells)
    write_atomic(path, text.getvalue())
    return path.name
