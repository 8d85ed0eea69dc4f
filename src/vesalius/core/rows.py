"""Which rows are meant: positions, truth values and case ids, checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def positions(rows: ArrayLike, n: int, *, of: str) -> Int[np.ndarray, "K"]:
    """Return the positions that integers name, or where a boolean array of length n holds.

    >>> positions([True, False, True], 3, of="a set")
    array([0, 2])

    Raises:
        DataError: a boolean array of another length, a position outside, a fraction, a table.
    """
    chosen = np.asarray(rows)
    if chosen.ndim != 1:
        raise DataError(f"{of}: rows are chosen by one list, not by shape {chosen.shape}")
    if chosen.dtype == bool:
        if len(chosen) != n:
            raise DataError(f"{of}: {len(chosen)} truth values do not choose among {n} rows")
        return np.flatnonzero(chosen)
    if chosen.size and not np.issubdtype(chosen.dtype, np.integer):
        raise DataError(f"{of}: rows are chosen by integers or truth values, not {chosen.dtype}")
    wrong = chosen[(chosen < -n) | (chosen >= n)] if chosen.size else chosen
    if wrong.size:
        raise DataError(f"{of}: there is no row {wrong[0]} among {n}")
    return np.where(chosen < 0, chosen + n, chosen).astype(np.intp)


def places(case_ids: NDArray[np.str_], wanted: ArrayLike, *, of: str) -> Int[np.ndarray, "K"]:
    """Return where the wanted ids stand, in their order.

    Raises:
        DataError: an id is not there, or stands there twice.
    """
    place = {case_id: i for i, case_id in enumerate(case_ids.tolist())}
    if len(place) != len(case_ids):
        raise DataError(f"{of}: case id {repeated(case_ids)!r} occurs twice")
    asked = [str(case_id) for case_id in np.asarray(wanted).reshape(-1).tolist()]
    missing = [case_id for case_id in asked if case_id not in place]
    if missing:
        raise DataError(
            f"{of}: {len(missing)} of {len(asked)} cases are not here, first {missing[0]!r}"
        )
    return np.array([place[case_id] for case_id in asked], dtype=np.intp)


def repeated(case_ids: NDArray[np.str_]) -> str | None:
    """Return the first id that occurs twice, or None.

    >>> repeated(np.array(["a", "b", "b"]))
    'b'
    """
    seen: set[str] = set()
    for case_id in case_ids.tolist():
        if case_id in seen:
            return str(case_id)
        seen.add(case_id)
    return None


def check_ids(case_ids: Any, *, of: str) -> None:
    """Raise DataError unless the ids are one column of words."""
    if not isinstance(case_ids, np.ndarray) or case_ids.ndim != 1 or case_ids.dtype.kind != "U":
        found = case_ids.dtype if isinstance(case_ids, np.ndarray) else type(case_ids).__name__
        shape = f" of shape {case_ids.shape}" if isinstance(case_ids, np.ndarray) else ""
        raise DataError(f"{of}: case_ids must be a numpy array of N strings, not {found}{shape}")


def check_lengths(columns: Mapping[str, Any], n: int, *, of: str) -> None:
    """Raise DataError for the first column that has not one entry for each of n cases."""
    for name, column in columns.items():
        if column is not None and len(column) != n:
            raise DataError(f"{of}: column {name!r} has {len(column)} rows, not {n}")


def check_states(
    states_NC: Float[np.ndarray, "N C"],
    case_ids: NDArray[np.str_],
    label_names: tuple[str, ...],
    *,
    name: str,
    noun: str,
    of: str,
) -> None:
    """Raise DataError unless each label of each case is 1, 0 or NaN (unknown)."""
    shape = (len(case_ids), len(label_names))
    if not isinstance(states_NC, np.ndarray) or states_NC.dtype.kind not in "fiub":
        found = getattr(states_NC, "dtype", type(states_NC).__name__)
        raise DataError(f"{of}: {name} must be a numpy array of numbers, not {found}")
    if states_NC.shape != shape:
        raise DataError(f"{of}: {name} has shape {states_NC.shape}, not {shape}")
    wrong_NC = ~((states_NC == 0) | (states_NC == 1) | np.isnan(states_NC))
    if wrong_NC.any():
        row, column = np.argwhere(wrong_NC)[0]
        raise DataError(
            f"{of}: {name} of case {str(case_ids[row])!r}, label {label_names[column]!r}, is "
            f"{states_NC[row, column]:g}; a {noun} is 1, 0 or NaN (unknown)"
        )
