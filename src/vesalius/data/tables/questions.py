"""Questions about images: rows of question and answer, gathered into cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, Question, Skipped
from vesalius.data.tables.table import Table


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions that are already at hand, one entry a case (a ``QuestionColumn``)."""

    of_each_case: Sequence[tuple[Question, ...]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.of_each_case)

    def __getitem__(self, index: int) -> tuple[Question, ...]:
        return self.of_each_case[index]

    def take(self, indices: NDArray[np.integer]) -> Questions:
        return Questions([self.of_each_case[i] for i in indices])


class Asked(NamedTuple):
    """A question, the image that it is about, its published split, and where it stands."""

    image: str
    split: str
    question: Question
    table: Table
    row: int


class AskedCase(NamedTuple):
    """An image and a split with its questions."""

    image: str
    split: str
    questions: tuple[Question, ...]


def read_questions(
    table: Table, *, image: str, split: str
) -> tuple[list[Asked], tuple[Skipped, ...]]:
    """Return the rows of ``question``, ``answer``, ``answer_type`` (OPEN or CLOSED, any case).

    A row without question or answer asks nothing: it is left out and listed.

    Args:
        image: the column of the images' names.
        split: the split of every row.

    Raises:
        DataError: a column is missing, or a row names no image or no known type.
    """
    columns = (table[image], table["question"], table["answer"], table["answer_type"])
    found, skipped = [], []
    for row, (name, question, answer, given) in enumerate(zip(*columns, strict=True)):
        kind = given.lower()
        if not name:
            raise DataError(f"{table.place(row)}: {image!r} is blank")
        if kind not in ("open", "closed"):
            raise DataError(
                f"{table.place(row)}: answer_type is {given!r}; choose one of CLOSED, OPEN"
            )
        if question and answer:
            found.append(Asked(name, split, Question(question, answer, kind), table, row))
        else:
            skipped.append(Skipped(table.place(row), "without question or answer"))
    return found, tuple(skipped)


def by_image(asked: Iterable[Asked], *, first: Sequence[str] = ()) -> list[AskedCase]:
    """Gather one case an image, in the order of their first questions.

    Args:
        first: splits from the strongest on: an image that has a question in one of them lies
            there with all its questions, so that no image lies on two sides.

    Raises:
        DataError: an image is in two splits that ``first`` does not rank.
    """
    rank = {split: place for place, split in enumerate(first)}
    split_of: dict[str, str] = {}
    questions: dict[str, list[Question]] = {}
    for row in asked:
        own = split_of.setdefault(row.image, row.split)
        if own != row.split and not {own, row.split} <= rank.keys():
            raise DataError(
                f"{row.table.place(row.row)}: {row.image!r} is in {row.split}, but also in {own}"
            )
        if own != row.split:
            split_of[row.image] = min(own, row.split, key=rank.__getitem__)
        questions.setdefault(row.image, []).append(row.question)
    return [AskedCase(image, split_of[image], tuple(own)) for image, own in questions.items()]


def by_image_and_split(asked: Iterable[Asked]) -> list[AskedCase]:
    """Gather one case an image and split: an image with questions on two sides gives two cases."""
    questions: dict[tuple[str, str], list[Question]] = {}
    for row in asked:
        questions.setdefault((row.image, row.split), []).append(row.question)
    return [AskedCase(image, split, tuple(own)) for (image, split), own in questions.items()]
