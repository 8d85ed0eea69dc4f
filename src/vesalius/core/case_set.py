"""Many cases, held as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.case import Case, ImageColumn, LazyImage, QuestionColumn, RegionColumn
from vesalius.core.errors import DataError, unknown

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was left out, and why. Rows are never left out silently."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseSet:
    """An ordered set of cases as columns of equal length N.

    ``labels_NC`` holds 1 (present), 0 (absent) and NaN (**unknown, never negative**).
    ``task`` is ``multilabel`` (several labels may hold) or ``multiclass`` (exactly one does).
    ``patient_ids`` is None where the source names no patients.
    """

    case_ids: NDArray[np.str_]
    images: ImageColumn
    labels_NC: Float[np.ndarray, "N C"]
    label_names: tuple[str, ...] = ()
    patient_ids: NDArray[np.str_] | None = None
    texts: NDArray[np.object_] | None = None
    splits: NDArray[np.str_] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    regions: RegionColumn | None = None
    questions: QuestionColumn | None = None
    skipped: tuple[Skipped, ...] = ()
    task: str = "multilabel"
    source: str = ""

    def __post_init__(self) -> None:
        n = len(self.case_ids)
        columns: dict[str, Any] = {
            "images": self.images,
            "labels_NC": self.labels_NC,
            "patient_ids": self.patient_ids,
            "texts": self.texts,
            "splits": self.splits,
            "regions": self.regions,
            "questions": self.questions,
            **self.attributes,
        }
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise DataError(f"{self.source}: column {name!r} has {len(column)} rows, not {n}")
        if self.labels_NC.shape != (n, len(self.label_names)):
            raise DataError(
                f"{self.source}: labels_NC has shape {self.labels_NC.shape}, "
                f"not {(n, len(self.label_names))}"
            )
        if self.task not in ("multilabel", "multiclass"):
            raise unknown("task", self.task, ("multilabel", "multiclass"))
        if len(np.unique(self.case_ids)) != n:
            names, counts = np.unique(self.case_ids, return_counts=True)
            raise DataError(f"{self.source}: case id {names[counts > 1][0]!r} occurs twice")

    def __len__(self) -> int:
        return len(self.case_ids)

    def __getitem__(self, index: int) -> Case:
        i = range(len(self))[index]
        states = (None if np.isnan(v) else bool(v) for v in self.labels_NC[i])
        return Case(
            case_id=str(self.case_ids[i]),
            patient_id=None if self.patient_ids is None else str(self.patient_ids[i]),
            image=LazyImage(self.images, i),
            text=None if self.texts is None else self.texts[i],
            labels=dict(zip(self.label_names, states, strict=True)),
            boxes=() if self.regions is None else self.regions.boxes(i),
            masks={} if self.regions is None else self.regions.masks(i),
            split=None if self.splits is None else str(self.splits[i]),
            attributes={name: column[i] for name, column in self.attributes.items()},
            questions=() if self.questions is None else self.questions[i],
            source=self.source,
        )

    def __iter__(self) -> Iterator[Case]:
        return (self[i] for i in range(len(self)))

    def select(self, rows: ArrayLike) -> CaseSet:
        """Return the cases at the given positions, or where a boolean array holds."""
        chosen = np.asarray(rows)
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.intp)

        def take(column: Any) -> Any:
            if column is None:
                return None
            return column[indices] if isinstance(column, np.ndarray) else column.take(indices)

        return replace(
            self,
            case_ids=self.case_ids[indices],
            images=self.images.take(indices),
            labels_NC=self.labels_NC[indices],
            patient_ids=take(self.patient_ids),
            texts=take(self.texts),
            splits=take(self.splits),
            attributes={name: take(column) for name, column in self.attributes.items()},
            regions=take(self.regions),
            questions=take(self.questions),
        )

    def split(self, name: str) -> CaseSet:
        """Return the cases of one split (``train``, ``validation`` or ``test``)."""
        if self.splits is None:
            raise DataError(f"{self.source}: the cases are not split yet; use vesalius.data.split")
        rows = self.splits == name
        if not rows.any():
            raise unknown("split", name, np.unique(self.splits).tolist())
        return self.select(rows)

    def of_cases(self, case_ids: ArrayLike) -> CaseSet:
        """Return the cases of the given ids, in their order; an id that is not here is an error."""
        place = {str(case_id): i for i, case_id in enumerate(self.case_ids)}
        wanted = [str(case_id) for case_id in np.asarray(case_ids)]
        missing = [case_id for case_id in wanted if case_id not in place]
        if missing:
            raise DataError(
                f"{self.source}: {len(missing)} cases are not here, first {missing[0]!r}"
            )
        return self.select(np.array([place[case_id] for case_id in wanted], dtype=np.intp))

    def with_splits(self, splits: Sequence[str] | NDArray[np.str_]) -> CaseSet:
        """Return the same cases with another split column."""
        return replace(self, splits=np.asarray(splits, dtype=np.str_))
