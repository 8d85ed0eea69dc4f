"""The facts of a case as plain values: what stands beside an image in a shard or a table.

One form for writing and reading: ``case_id, patient_id, split, labels, attributes, boxes, masks,
questions``. A label is 1, 0 or null (unknown). Masks are named by the file that holds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import Box, CaseSet, DataError, Mask, Question
from vesalius.core.files import slug

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATES = {None: float("nan"), 0: 0.0, 1: 1.0}  # JSON's false and true are equal to 0 and 1
TYPES = {"str": np.str_, "int": np.int64, "float": np.float64, "bool": np.bool_}


def facts_of(cases: CaseSet, row: int, masks: Mapping[str, tuple[str, Mask]]) -> dict[str, Any]:
    """Return what is known of a case, without its image and text, as JSON can hold it."""
    labels = (None if math.isnan(v) else int(v) for v in cases.labels_NC[row])
    boxes = () if cases.regions is None else cases.regions.boxes(row)
    asked = () if cases.questions is None else cases.questions[row]
    return {
        "case_id": str(cases.case_ids[row]),
        "patient_id": None if cases.patient_ids is None else str(cases.patient_ids[row]),
        "split": None if cases.splits is None else str(cases.splits[row]),
        "labels": dict(zip(cases.label_names, labels, strict=True)),
        "attributes": {name: _plain(column[row]) for name, column in cases.attributes.items()},
        "boxes": [[b.label, *map(float, (b.x, b.y, b.width, b.height))] for b in boxes],
        "masks": {f: [name, m.target, m.method] for f, (name, m) in masks.items()},
        "questions": [[q.question, q.answer, q.kind] for q in asked],
    }


def filed_masks(masks: Mapping[str, Mask]) -> dict[str, tuple[str, Mask]]:
    """Return masks, with the names they have, under names that a file can have, each once."""
    filed: dict[str, tuple[str, Mask]] = {}
    for name, mask in masks.items():
        file = slug(name)
        while file in filed:
            file += "-2"
        filed[file] = (name, mask)
    return filed


def type_of(column: NDArray[Any]) -> str:
    """Return the name of a column's type: ``int``, ``float``, ``bool``, or ``str`` for the rest."""
    return {"i": "int", "u": "int", "f": "float", "b": "bool"}.get(column.dtype.kind, "str")


def typed(values: Sequence[Any], kind: str) -> NDArray[Any]:
    """Return a column of the named type; what is missing is NaN or blank where it can be."""
    if kind == "float":
        values = [math.nan if v is None or v == "" else v for v in values]
    elif kind == "bool":
        values = [v in (True, 1, "1", "true", "True") for v in values]
    elif kind == "str":
        values = ["" if v is None else str(v) for v in values]
    return np.array(values, dtype=TYPES[kind])


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one case, checked."""

    case_id: str | None = None
    patient_id: str | None = None
    split: str | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    masks: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    @classmethod
    def parse(cls, plain: Mapping[str, Any], place: str) -> Facts:
        """Return the facts that plain values state; ``place`` stands in the error.

        Raises:
            DataError: a value is not of its form.
        """
        try:
            return cls(
                _word(plain.get("case_id")),
                _word(plain.get("patient_id")),
                _word(plain.get("split")),
                {str(k): STATES[v] for k, v in (plain.get("labels") or {}).items()},
                dict(plain.get("attributes") or {}),
                tuple(Box(str(b[0]), *map(float, b[1:5])) for b in plain.get("boxes") or ()),
                {str(k): _mask(v) for k, v in (plain.get("masks") or {}).items()},
                tuple(Question(*map(str, q)) for q in plain.get("questions") or ()),
            )
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise DataError(f"{place}: not the facts of a case ({error!r})") from None


def _mask(value: Sequence[Any]) -> tuple[str, str, str]:
    name, target, method = map(str, value)
    return name, target, method


def _word(value: Any) -> str | None:
    if value is None or isinstance(value, str | int):
        return None if value is None else str(value)
    raise ValueError(f"{value!r} is not a word")


def _plain(value: Any) -> Any:
    own = value.item() if isinstance(value, np.generic) else value
    if isinstance(own, float) and not math.isfinite(own):
        return None
    return own if own is None or isinstance(own, bool | int | float | str) else str(own)
