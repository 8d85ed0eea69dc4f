"""Embeddings and cases side by side, and the ledger that comes of them.

Legend: N cases, C labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def align(embeddings: Embeddings, cases: CaseSet) -> tuple[Embeddings, CaseSet]:
    """Return the rows and the cases that both hold, in the order of the embeddings.

    Cases without an embedding (an unreadable image) are left out, and so are embeddings of cases
    that are not asked for. Raises DataError where nothing is left, or where a row is not finite.
    """
    place = {case_id: i for i, case_id in enumerate(cases.case_ids.tolist())}
    found_N = np.array([place.get(case_id, -1) for case_id in embeddings.case_ids.tolist()], int)
    kept_N = np.flatnonzero(found_N >= 0)
    if kept_N.size == 0:
        raise DataError(
            f"no case in common: {len(embeddings)} embeddings"
            f"{_first(embeddings.case_ids)} and {len(cases)} cases{_first(cases.case_ids)}"
        )
    rows = embeddings.select(kept_N)
    broken_N = np.flatnonzero(~np.isfinite(rows.values_ND).all(1))
    if broken_N.size:
        raise DataError(
            f"{broken_N.size} {rows.modality} embeddings are not finite, "
            f"first {str(rows.case_ids[broken_N[0]])!r}"
        )
    return rows, cases.select(found_N[kept_N])


def rows_of(cases: CaseSet, split: str, need: str) -> Bool[np.ndarray, "N"]:
    """Return which cases belong to a split; DataError that says what it is needed for if none."""
    if cases.splits is None:
        raise DataError(f"{need} needs cases that are split; use vesalius.data.split first")
    rows_N: NDArray[np.bool_] = np.asarray(cases.splits == split)
    if not rows_N.any():
        names = ", ".join(np.unique(cases.splits).tolist())
        raise DataError(f"{need} needs embeddings of the {split!r} split; there are only: {names}")
    return rows_N


def class_of(labels_NC: Float[np.ndarray, "N C"]) -> NDArray[np.int64]:
    """Return the class of each case of a multi-class set, −1 where it is not known.

    >>> class_of(np.array([[0.0, 1.0], [np.nan, np.nan], [1.0, 1.0]]))
    array([ 1, -1, -1])
    """
    one_N = (np.nan_to_num(labels_NC) == 1).sum(1) == 1
    return np.where(one_N, (labels_NC == 1).argmax(1), -1).astype(np.int64)


def ledger(cases: CaseSet, scores_NC: Float[np.ndarray, "N C"], *, method: str) -> Predictions:
    """Return scores beside what is known of their cases."""
    return Predictions(
        scores_NC=scores_NC,
        truths_NC=np.asarray(cases.labels_NC, dtype=np.float64),
        label_names=cases.label_names,
        case_ids=cases.case_ids,
        patient_ids=cases.patient_ids,
        splits=cases.splits,
        attributes=cases.attributes,
        task=cases.task,
        method=method,
    )


def _first(case_ids: NDArray[np.str_]) -> str:
    return f" (first {str(case_ids[0])!r})" if len(case_ids) else ""
