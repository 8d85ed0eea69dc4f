"""Many cases, held as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.case import Case, ImageColumn, LazyImage, QuestionColumn, RegionColumn
from vesalius.core.errors import DataError, unknown
from vesalius.core.rows import check_ids, check_lengths, check_states, places, positions, repeated

if TYPE_CHECKING:
    from jaxtyping import Float

COLUMNS = ("images", "patient_ids", "texts", "splits", "regions", "questions")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was left out, and why. Rows are never left out silently."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
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
        of, n = self.source or "cases", len(self.case_ids)
        check_ids(self.case_ids, of=of)
        check_lengths({name: getattr(self, name) for name in COLUMNS}, n, of=of)
        check_lengths({f"attributes[{k!r}]": v for k, v in self.attributes.items()}, n, of=of)
        check_states(
            self.labels_NC, self.case_ids, self.label_names, name="labels_NC", noun="label", of=of
        )
        if self.task not in ("multilabel", "multiclass"):
            raise unknown("task", self.task, ("multilabel", "multiclass"))
        twice = repeated(self.case_ids)
        if twice is not None:
            raise DataError(f"{of}: case id {twice!r} occurs twice")

    def __len__(self) -> int:
        return len(self.case_ids)

    def __getitem__(self, index: int) -> Case:
        """Return one case; several are chosen by :meth:`select`."""
        if not hasattr(index, "__index__"):
            raise TypeError(
                f"cases[...] takes one position; choose several by .select, not {index}"
            )
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
        indices = positions(rows, len(self), of=self.source or "cases")

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
        return self.select(places(self.case_ids, case_ids, of=self.source or "cases"))

    def with_splits(self, splits: Sequence[str] | NDArray[np.str_]) -> CaseSet:
        """Return the same cases with another split column."""
        return replace(self, splits=np.asarray(splits, dtype=np.str_))
