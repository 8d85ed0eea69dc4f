"""Embeddings: the currency. Encode once, evaluate many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.core.rows import check_ids, places, positions

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One row of width D for each case that could be encoded, as the model gave it (unnormalised).

    ``case_ids`` names the rows: cases whose image was unreadable have no row. ``provenance`` holds
    everything that changes the values: model, weights hash, preprocessing, precision, data hash.
    """

    values_ND: Float[np.ndarray, "N D"]
    case_ids: NDArray[np.str_]
    modality: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ids(self.case_ids, of="embeddings")
        if self.values_ND.ndim != 2 or len(self.values_ND) != len(self.case_ids):
            raise DataError(
                f"embeddings are one row of width D for each case: shape {self.values_ND.shape} "
                f"does not fit {len(self.case_ids)} case ids"
            )
        if self.modality not in ("image", "text"):
            raise DataError(f"modality {self.modality!r} is neither 'image' nor 'text'")

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def width(self) -> int:
        return self.values_ND.shape[1]

    def select(self, rows: ArrayLike) -> Embeddings:
        """Return the rows at the given positions, or where a boolean array holds."""
        chosen = positions(rows, len(self), of="embeddings")
        return replace(self, values_ND=self.values_ND[chosen], case_ids=self.case_ids[chosen])

    def of_cases(self, case_ids: ArrayLike) -> Embeddings:
        """Return the rows of the given cases, in their order; a case without a row is an error."""
        return self.select(places(self.case_ids, case_ids, of=f"{self.modality} embeddings"))

    def normalised(self) -> Float[np.ndarray, "N D"]:
        """Return the rows divided by their Euclidean length, float32 or wider."""
        values_ND = self.values_ND.astype(np.result_type(self.values_ND, np.float32))
        lengths_N1 = np.linalg.norm(values_ND, axis=1, keepdims=True)
        return values_ND / np.maximum(lengths_N1, np.finfo(values_ND.dtype).tiny)
