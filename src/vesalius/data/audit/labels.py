"""Labels: too rare to learn or to test, always together, or at odds on the same image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vesalius.core import CaseSet

FEW = 10  # positives: fewer give an interval too wide to say anything
TOGETHER = 0.95  # of the rarer label's cases have the other one, too


@dataclass(frozen=True, slots=True)
class RareLabel:
    """A label with few positives: in the whole set (``split`` empty) or in one split."""

    name: str
    split: str
    positives: int
    known: int


@dataclass(frozen=True, slots=True)
class Companions:
    """Two labels of which the first hardly occurs without the second."""

    name: str
    other: str
    both: int
    share: float


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Labels on which two copies of one image differ; unknown contradicts nothing."""

    first: int
    second: int
    labels: tuple[str, ...]


def rare_labels(cases: CaseSet) -> tuple[RareLabel, ...]:
    """Return the labels with fewer than ``FEW`` positives, in the whole set and in each split."""
    parts = {"": np.ones(len(cases), bool)}
    if cases.splits is not None:
        parts |= {str(s): cases.splits == s for s in np.unique(cases.splits) if s}
    found = []
    for split, rows in parts.items():
        for label, name in enumerate(cases.label_names):
            states = cases.labels_NC[rows, label]
            positives = int((states == 1).sum())
            if positives < FEW:
                found.append(RareLabel(name, split, positives, int((~np.isnan(states)).sum())))
    return tuple(found)


def companions(cases: CaseSet) -> tuple[Companions, ...]:
    """Return pairs of labels of a multilabel set that nearly always occur together."""
    if cases.task != "multilabel":
        return ()
    positive = (cases.labels_NC == 1).astype(np.int64)
    both, counts = positive.T @ positive, positive.sum(0)
    return tuple(
        Companions(cases.label_names[i], cases.label_names[j], int(both[i, j]),
                   float(both[i, j] / counts[i]))
        for i in range(len(counts)) for j in range(len(counts))
        if i != j and counts[i] >= FEW and counts[i] <= counts[j]
        and both[i, j] >= TOGETHER * counts[i]
    )  # fmt: skip


def imbalance(cases: CaseSet) -> float | None:
    """Return how many times more positives the commonest label has than the rarest.

    A label without any positive makes it infinite; fewer than two labels have none.
    """
    counts = (cases.labels_NC == 1).sum(0)
    if len(counts) < 2 or counts.max() == 0:
        return None
    return float(counts.max() / counts.min()) if counts.min() else float("inf")


def contradictions(cases: CaseSet, pairs: Iterable[tuple[int, int]]) -> tuple[Contradiction, ...]:
    """Return the pairs of rows, copies of one image, whose known labels differ."""
    found = []
    for first, second in pairs:
        apart = np.abs(cases.labels_NC[first] - cases.labels_NC[second]) == 1  # NaN is never 1
        if apart.any():
            names = tuple(cases.label_names[i] for i in np.flatnonzero(apart))
            found.append(Contradiction(first, second, names))
    return tuple(found)
