"""What there is beside images, labels and texts: masks, boxes, questions, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from vesalius.core import CaseSet
from vesalius.data.inspection.opening import Opened

ANSWERS = 5


@dataclass(frozen=True, slots=True)
class MaskCount:
    """How many cases have a mask of a target, and in how many of these it is empty."""

    target: str
    cases: int
    empty: int


@dataclass(frozen=True, slots=True)
class QuestionCount:
    """The questions: all, closed, open, how many cases have some, how many differ.

    ``answers`` are the most frequent answers to closed questions, in lower case: who always gives
    the first of them is right so often.
    """

    total: int
    closed: int
    open: int
    cases: int
    distinct: int
    answers: tuple[tuple[str, int], ...]


def count_masks(opened: Iterable[Opened]) -> tuple[MaskCount, ...]:
    """Count the masks of each target, in the order in which targets are met."""
    all_of: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for image in opened:
        all_of.update(image.masks.keys())
        filled.update(target for target, has_pixels in image.masks.items() if has_pixels)
    return tuple(MaskCount(target, n, n - filled[target]) for target, n in all_of.items())


def count_boxes(opened: Iterable[Opened]) -> dict[str, int]:
    """Count the boxes of each label, the most frequent first."""
    return dict(Counter(label for image in opened for label in image.boxes).most_common())


def count_questions(cases: CaseSet) -> QuestionCount | None:
    """Count the questions; None where the set has none."""
    column = cases.questions
    per_case = [] if column is None else [column[i] for i in range(len(cases))]
    asked = [question for own in per_case for question in own]
    if not asked:
        return None
    closed = [question for question in asked if question.kind == "closed"]
    answers = Counter(question.answer.lower() for question in closed)
    return QuestionCount(
        total=len(asked),
        closed=len(closed),
        open=len(asked) - len(closed),
        cases=sum(bool(own) for own in per_case),
        distinct=len({question.question for question in asked}),
        answers=tuple(answers.most_common(ANSWERS)),
    )
