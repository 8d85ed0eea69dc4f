"""Convert a set part by part: each part is whole or absent, and a stopped conversion goes on.

A part's record (``.parts/part-000000.json``: files, their SHA-256, what was left out) is written
after its files. When all parts are there, ``index.json`` is written and the records go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from vesalius.core import CaseSet, DataError, Skipped, VesaliusError, unknown
from vesalius.core.files import read_json, write_json
from vesalius.data.containers.conversion_index import FORMAT
from vesalius.data.containers.facts import type_of
from vesalius.data.convert.shards import write_shard
from vesalius.data.convert.tables import column_names, write_images, write_tables
from vesalius.data.loader import Unreadable, chosen_workers, read_groups
from vesalius.data.progress import bar

WRITERS = {"manifest": write_images, "shards": write_shard}
READER = {"manifest": "manifest", "shards": "webdataset"}
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{16}(\.\w+)?")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion wrote: cases, files, bytes, and the images that did not open.

    ``reader`` reads the folder; ``resumed`` counts parts that an earlier call had finished.
    """

    out: Path
    reader: str
    cases: int
    files: int
    size: int
    skipped: tuple[Skipped, ...]
    resumed: int = 0


@dataclass(frozen=True, slots=True)
class PartWriter:
    """Writes one part and its record; it travels to the workers."""

    cases: CaseSet
    out: Path
    to: str
    per_part: int
    keep: bool

    def __call__(self, number: int) -> str:
        """Write a part; return why it could not be, or nothing."""
        start = number * self.per_part
        rows = range(start, min(start + self.per_part, len(self.cases)))
        try:
            files, skipped = WRITERS[self.to](self.cases, rows, self.out, number, keep=self.keep)
            record = {
                "cases": len(rows) - len(skipped),
                "files": {name: fingerprint_of(self.out / name) for name in files},
                "skipped": [[row.name, row.reason] for row in skipped],
            }
            write_json(self.out / ".parts" / f"part-{number:06d}.json", record)
        except VesaliusError as error:
            return str(error)
        return ""


def convert(
    cases: CaseSet,
    out: Path,
    *,
    to: str = "shards",
    per_part: int = 1000,
    keep: bool = True,
    workers: int | None = None,
    progress: bool = False,
) -> Conversion:
    """Write a set as a manifest folder or as WebDataset shards; a stopped call goes on.

    Args:
        cases: what a reader gave.
        out: an empty or new folder, or the one of the same conversion that was stopped.
        to: ``manifest`` (a CSV with images and masks) or ``shards`` (tar files).
        per_part: cases in a shard, or between two records of a manifest.
        keep: copy the bytes of PNG and JPEG files; else pixels are written anew as PNG, without
            any metadata that the file may carry.
        workers: processes; None chooses by the number of images and cores.

    Raises:
        DataError: the folder holds something else, a part cannot be written, or no image opens.
    """
    if to not in WRITERS:
        raise unknown("form", to, WRITERS)
    if not len(cases) or per_part < 1:
        raise DataError(f"{cases.source}: {len(cases)} cases, {per_part} a part: nothing to write")
    header = _header(cases, to, per_part=per_part, keep=keep)
    parts = -(-len(cases) // per_part)
    if (out / "index.json").is_file():
        return _finished(out, header)
    _begin(out, header)
    missing = [number for number in range(parts) if not _is_whole(out, number)]
    writer = PartWriter(cases, out, to, per_part, keep)
    processes = chosen_workers(len(cases)) if workers is None else workers
    with bar("writing", parts, unit="parts", done=parts - len(missing), show=progress) as advance:
        for (fault,) in read_groups(writer, [[number] for number in missing], workers=processes):
            if fault:
                reason = fault.reason if isinstance(fault, Unreadable) else fault
                raise DataError(f"{out}: a part could not be written: {reason}")
            advance(1)
    return _finish(cases, out, header, parts, resumed=parts - len(missing))


def fingerprint_of(path: Path) -> dict[str, Any]:
    """Return the size and SHA-256 of a file."""
    digest = sha256()
    with path.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def damaged(out: Path, files: dict[str, dict[str, Any]]) -> list[str]:
    """Return the files that are missing or no longer what was written."""
    return [
        name for name, known in files.items()
        if not (out / name).is_file()
        or (out / name).stat().st_size != known["bytes"]
        or fingerprint_of(out / name) != known
    ]  # fmt: skip


def _header(cases: CaseSet, to: str, *, per_part: int, keep: bool) -> dict[str, Any]:
    columns = {"ids": cases.case_ids, "patients": cases.patient_ids, "splits": cases.splits,
               "texts": cases.texts}  # fmt: skip
    digest = sha256(cases.labels_NC.tobytes())
    for column in columns.values():
        values: Sequence[Any] = ["none"] if column is None else column.tolist()
        digest.update("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass") + b"\x1e")
    return {
        "format": FORMAT,
        "to": to,
        "source": cases.source,
        "task": cases.task,
        "labels": list(cases.label_names),
        "attributes": {name: type_of(column) for name, column in cases.attributes.items()},
        "columns": column_names(cases) if to == "manifest" else {},
        "has": {
            name: getattr(cases, name) is not None
            for name in ("patient_ids", "texts", "splits", "regions", "questions")
        },
        "per_part": per_part,
        "keep": keep,
        "of": digest.hexdigest(),
    }


def _begin(out: Path, header: dict[str, Any]) -> None:
    """Take the folder: a new one, or the one of this conversion; clear what a kill left half."""
    plan = out / ".parts" / "plan.json"
    if plan.is_file():
        if read_json(plan) != header:
            raise DataError(f"{out} holds another conversion that was stopped; choose another one")
    elif out.exists() and any(p.name != ".parts" for p in out.iterdir()):
        raise DataError(f"{out} is not empty; choose a new folder")
    else:
        write_json(plan, header)
    for path in out.rglob(".*"):
        if path.is_file() and LEFTOVER.fullmatch(path.name):
            path.unlink()


def _is_whole(out: Path, number: int) -> bool:
    record = out / ".parts" / f"part-{number:06d}.json"
    return record.is_file() and not damaged(out, read_json(record)["files"])


def _finish(
    cases: CaseSet, out: Path, header: dict[str, Any], parts: int, *, resumed: int
) -> Conversion:
    records = [read_json(out / ".parts" / f"part-{n:06d}.json") for n in range(parts)]
    files = {name: known for record in records for name, known in record["files"].items()}
    written = sum(record["cases"] for record in records)
    if not written:
        _, reason = records[0]["skipped"][0]
        raise DataError(f"{cases.source}: not one image opens; the first: {reason}")
    if header["to"] == "manifest":
        files |= {name: fingerprint_of(out / name) for name in write_tables(cases, out, parts)}
    skipped = [row for record in records for row in record["skipped"]]
    index = {**header, "cases": written, "files": files, "skipped": skipped}
    write_json(out / "index.json", index)
    rmtree(out / ".parts")
    return _conversion(out, index, resumed)


def _finished(out: Path, header: dict[str, Any]) -> Conversion:
    index = read_json(out / "index.json")
    if {key: index.get(key) for key in header} != header:
        raise DataError(f"{out} holds another set already; choose a new folder")
    rmtree(out / ".parts", ignore_errors=True)  # a kill may have come between
    return _conversion(out, index, -(-index["cases"] // index["per_part"]))


def _conversion(out: Path, index: dict[str, Any], resumed: int) -> Conversion:
    return Conversion(
        out,
        READER[index["to"]],
        index["cases"],
        len(index["files"]),
        sum(known["bytes"] for known in index["files"].values()),
        tuple(Skipped(*row) for row in index["skipped"]),
        resumed,
    )
