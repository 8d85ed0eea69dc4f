"""The cells of a ledger file: what may stand in them, and errors that name row, column and value.

Legend: L rows of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import ChoiceError, DataError
from vesalius.data.splits import ALIASES, split_name

BLANK = frozenset({"", "nan", "NaN", "NA", "N/A", "None", "null"})
WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file; ``first_row`` is what its first row of values is called."""

    path: str
    columns: Mapping[str, list[Any]]
    first_row: int

    def error(self, row: int, column: str, message: str) -> DataError:
        return DataError(
            f"{self.path}, row {row + self.first_row}, column {column!r}: "
            f"{self.columns[column][row]!r} {message}"
        )


def text(value: Any) -> str:
    """Return a cell as text; a missing one is blank."""
    return "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)


def texts(table: Table, column: str) -> NDArray[np.str_]:
    """Return a column of text in which nothing may be blank."""
    given = [text(value) for value in table.columns[column]]
    if "" in given:
        raise table.error(given.index(""), column, "is blank")
    return np.array(given)


def numbers(table: Table, column: str, message: str) -> NDArray[np.float64]:
    """Return a column of finite numbers, NaN where it is blank; true and false are 1 and 0."""
    values_L = np.full(len(table.columns[column]), np.nan)
    for i, value in enumerate(table.columns[column]):
        word = text(value).strip()
        if word in BLANK:
            continue
        try:
            values_L[i] = WORDS[word.lower()] if word.lower() in WORDS else float(value)
        except (TypeError, ValueError):
            raise table.error(i, column, message) from None
        if np.isinf(values_L[i]):
            raise table.error(i, column, "is not finite")
    return values_L


def truths(table: Table, column: str) -> NDArray[np.float64]:
    """Return a column of 1, 0 and NaN; anything else, also -1 for uncertain, is an error."""
    hint = "is not a truth: write 1 or 0, or leave it blank where it is unknown"
    values_L = numbers(table, column, hint)
    wrong = np.flatnonzero(~np.isnan(values_L) & (values_L != 0) & (values_L != 1))
    if wrong.size:
        if values_L[wrong[0]] == -1:
            hint = (
                "(uncertain) is not a truth: make it 1, 0 or blank (unknown) first, and say which"
            )
        raise table.error(int(wrong[0]), column, hint)
    return values_L


def constants(table: Table, column: str | None, length: int) -> list[str]:
    """Return a column as text; blank where the file has none."""
    if column is None:
        return [""] * length
    return [text(value) for value in table.columns[column]]


def split(table: Table, column: str, row: int) -> str:
    """Return the split that a cell means: train, validation or test, by any of their names."""
    try:
        return split_name(text(table.columns[column][row]), table.path)
    except ChoiceError:
        choices = ", ".join(ALIASES)
        raise table.error(row, column, f"is no split; choose one of {choices}") from None


def seed(table: Table, names: Mapping[str, str], row: int, word: str) -> int:
    """Return the seed of a ledger; 0 where none is given."""
    try:
        return int(float(word)) if word else 0
    except (ValueError, OverflowError):
        raise table.error(row, names["seed"], "is not a whole number") from None


def typed(values: list[Any]) -> NDArray[Any] | None:
    """Return an attribute column; text that reads as numbers becomes numbers. None: all blank."""
    if all(text(value) == "" for value in values):
        return None
    if not all(value is None or isinstance(value, str) for value in values):
        return np.array([np.nan if value is None else value for value in values])
    words = [text(value) for value in values]
    if all(_is_whole(word) for word in words):
        return np.array([int(word) for word in words])
    if set(words) <= {"True", "False"}:
        return np.array([word == "True" for word in words])
    if any(word.isdigit() and not _is_whole(word) for word in words):  # 007 is a name
        return np.array(words)
    try:
        return np.array([np.nan if word in BLANK else float(word) for word in words])
    except ValueError:
        return np.array(words)


def _is_whole(text: str) -> bool:
    return len(text) < 18 and text.lstrip("-").isdecimal() and str(int(text)) == text


def or_none(value: np.floating[Any]) -> float | None:
    """Return a plain float, or None for NaN."""
    return None if np.isnan(value) else float(value)
