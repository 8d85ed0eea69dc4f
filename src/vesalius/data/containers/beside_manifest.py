"""Tables that lie beside a manifest: ``boxes.csv``, ``masks.csv``, ``questions.csv``, by case id.

``vesalius data convert --to manifest`` writes them, with an ``index.json`` that says which columns
are labels and which attributes, so that everything reads back as it was. Any of the three may also
be written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, CaseSet, DataError, Mask, Question, Skipped
from vesalius.data.containers.facts import typed
from vesalius.data.images import ImageFiles
from vesalius.data.images.presence import inside
from vesalius.data.tables.questions import Questions
from vesalius.data.tables.table import Table, read_table

Named = tuple[str, str, str, str]  # path, name, target, method


@dataclass(frozen=True, slots=True, eq=False)
class FileRegions:
    """Boxes at hand, masks in files (a ``RegionColumn``), opened when asked for."""

    root: Path
    boxes_per_case: Sequence[tuple[Box, ...]] = field(repr=False)
    masks_per_case: Sequence[tuple[Named, ...]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.boxes_per_case)

    def boxes(self, index: int) -> tuple[Box, ...]:
        return self.boxes_per_case[index]

    def masks(self, index: int) -> Mapping[str, Mask]:
        found = {}
        for path, name, target, method in self.masks_per_case[index]:
            values = ImageFiles(self.root, [path])[0]
            if values.ndim != 2:
                raise DataError(f"{self.root / path}: a mask is grey, not colour")
            found[name] = Mask(values > 127, target, method)
        return found

    def take(self, indices: NDArray[np.integer]) -> FileRegions:
        return FileRegions(
            self.root,
            [self.boxes_per_case[i] for i in indices],
            [self.masks_per_case[i] for i in indices],
        )


def with_tables(cases: CaseSet, folder: Path, header: dict[str, Any] | None) -> CaseSet:
    """Add the boxes, masks and questions of the cases at hand, and what a conversion knows.

    Raises:
        DataError: a table lacks a column, or a box is not four numbers; the message has its line.
    """
    place = {str(case_id): i for i, case_id in enumerate(cases.case_ids)}
    boxes: list[list[Box]] = [[] for _ in place]
    masks: list[list[Named]] = [[] for _ in place]
    asked: list[list[Question]] = [[] for _ in place]
    for table, row, index in _rows(folder / "boxes.csv", place):
        boxes[index].append(_box(table, row))
    for table, row, index in _rows(folder / "masks.csv", place):
        path = inside(folder, table["mask"][row])
        target = table["target"][row]
        name = table["name"][row] if "name" in table else target
        method = table["method"][row] if "method" in table else "reference"
        masks[index].append((path, name, target, method))
    for table, row, index in _rows(folder / "questions.csv", place):
        kind = table["kind"][row] if "kind" in table else "open"
        asked[index].append(Question(table["question"][row], table["answer"][row], kind or "open"))
    has = header["has"] if header else {}
    regions = has.get("regions") or any(boxes) or any(masks)
    found = cases
    if regions:
        both = FileRegions(folder, [*map(tuple, boxes)], [*map(tuple, masks)])
        found = replace(found, regions=both)
    if has.get("questions") or any(asked):
        found = replace(found, questions=Questions([*map(tuple, asked)]))
    return found if header is None else _as_written(found, header)


def _as_written(cases: CaseSet, header: dict[str, Any]) -> CaseSet:
    """Give labels and attributes back their names and types, and the set its task and source."""
    attributes = {
        name: typed(cases.attributes[header["columns"]["attributes"][name]].tolist(), kind)
        for name, kind in header["attributes"].items()
    }
    return replace(
        cases,
        label_names=tuple(header["labels"]),
        attributes=attributes,
        task=header["task"],
        source=header["source"],
        skipped=(*cases.skipped, *(Skipped(*row) for row in header["skipped"])),
    )


def _rows(path: Path, place: Mapping[str, int]) -> list[tuple[Table, int, int]]:
    """Return the rows of a table whose case is at hand; no file, or only a header, gives none."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", errors="replace") as opened:
        opened.readline()
        if not opened.readline().strip():
            return []
    table = read_table(path)
    ids = table["case_id"]
    return [(table, row, place[own]) for row, own in enumerate(ids) if own in place]


def _box(table: Table, row: int) -> Box:
    cells = [table[name][row] for name in ("x", "y", "width", "height")]
    try:
        x, y, width, height = map(float, cells)
    except ValueError:
        raise DataError(
            f"{table.place(row)}: a box is four numbers, not {', '.join(cells)}"
        ) from None
    return Box(table["label"][row], x, y, width, height)
