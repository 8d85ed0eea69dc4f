"""The ledger: one score for each case and label, beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError, unknown
from vesalius.core.rows import check_ids, check_lengths, check_states, positions

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The ledger that every classification measure is a pure function of.

    Held as matrices, written as one row per case × label (Parquet or CSV). ``truths_NC`` is 1, 0
    or NaN (unknown); a NaN in ``scores_NC`` means that the model gave no score there.
    ``patient_ids`` None means that patients are not known: intervals then treat cases as
    independent and say so. ``attributes`` (age, sex, site, …) serve subgroup measures.
    """

    scores_NC: Float[np.ndarray, "N C"]
    truths_NC: Float[np.ndarray, "N C"]
    label_names: tuple[str, ...]
    case_ids: NDArray[np.str_]
    patient_ids: NDArray[np.str_] | None = None
    splits: NDArray[np.str_] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    task: str = "multilabel"
    method: str = ""
    run: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        of = f"predictions of {self.method!r}" if self.method else "predictions"
        n, shape = len(self.case_ids), (len(self.case_ids), len(self.label_names))
        check_ids(self.case_ids, of=of)
        if self.scores_NC.shape != shape:
            raise DataError(f"{of}: scores_NC has shape {self.scores_NC.shape}, not {shape}")
        check_states(
            self.truths_NC, self.case_ids, self.label_names, name="truths_NC", noun="truth", of=of
        )
        check_lengths({"patient_ids": self.patient_ids, "splits": self.splits}, n, of=of)
        check_lengths({f"attributes[{k!r}]": v for k, v in self.attributes.items()}, n, of=of)
        if self.task not in ("multilabel", "multiclass"):
            raise unknown("task", self.task, ("multilabel", "multiclass"))

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def clusters(self) -> NDArray[np.str_]:
        """The unit that is drawn in a bootstrap: the patient, or the case where none is known."""
        return self.case_ids if self.patient_ids is None else self.patient_ids

    def select(self, rows: ArrayLike) -> Predictions:
        """Return the cases at the given positions, or where a boolean array holds."""
        chosen = positions(rows, len(self), of="predictions")

        def take(column: NDArray[Any] | None) -> Any:
            return None if column is None else column[chosen]

        return replace(
            self,
            scores_NC=self.scores_NC[chosen],
            truths_NC=self.truths_NC[chosen],
            case_ids=self.case_ids[chosen],
            patient_ids=take(self.patient_ids),
            splits=take(self.splits),
            attributes={name: take(column) for name, column in self.attributes.items()},
        )

    def split(self, name: str) -> Predictions:
        """Return the cases of one split."""
        if self.splits is None:
            raise DataError("predictions: no split column")
        rows = self.splits == name
        if not rows.any():
            raise unknown("split", name, np.unique(self.splits).tolist())
        return self.select(rows)
