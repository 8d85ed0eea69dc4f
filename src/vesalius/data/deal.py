"""Dealing patients to splits: each goes where most is lacking.

Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, "On the stratification of multi-label
data", algorithm 1), with patients in the place of cases: the label with the fewest positives left
is dealt first, each of its patients to the split that lacks most of it. Patients without labels
follow, by size. Legend of shapes: P patients, C labels, S splits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NOBODY = -1


def deal(
    order_P: Int[np.ndarray, "P"],
    sizes_P: Float[np.ndarray, "P"],
    counts_PC: Float[np.ndarray, "P C"],
    share_S: Float[np.ndarray, "S"],
) -> Int[np.ndarray, "P"]:
    """Return the split of every patient; none stays empty where P ≥ S.

    Args:
        order_P: a permutation of the patients, the order in which equals are dealt.
        sizes_P: cases of each patient.
        counts_PC: positive cases of each patient, by label; C may be 0.
        share_S: share of the cases that each split is to have, all positive.

    >>> deal(np.arange(4), np.ones(4), np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([0.5, 0.5]))
    array([0, 1, 0, 1])
    """
    side_P = np.full(len(order_P), NOBODY)
    lacks_S = share_S * sizes_P.sum()
    lacks_SC = share_S[:, None] * counts_PC.sum(0)
    left_C = counts_PC.sum(0)

    def give(patient: int, side: int) -> None:
        side_P[patient] = side
        lacks_S[side] -= sizes_P[patient]
        lacks_SC[side] -= counts_PC[patient]
        left_C[:] -= counts_PC[patient]

    while (left_C > 0).any():
        label = int(np.argmin(np.where(left_C > 0, left_C, np.inf)))
        for patient in order_P[(side_P[order_P] == NOBODY) & (counts_PC[order_P, label] > 0)]:
            by_need = np.lexsort((-lacks_S / share_S, -lacks_SC[:, label]))
            give(int(patient), int(by_need[0]))
    for patient in order_P[side_P[order_P] == NOBODY]:
        give(int(patient), int(np.argmax(lacks_S / share_S)))
    return _none_empty(side_P, order_P, len(share_S))


def _none_empty(
    side_P: Int[np.ndarray, "P"], order_P: Int[np.ndarray, "P"], sides: int
) -> Int[np.ndarray, "P"]:
    """Give an empty split the last patient of the split that has most."""
    for side in range(sides):
        if not (side_P == side).any():
            largest = np.bincount(side_P, minlength=sides).argmax()
            side_P[order_P[side_P[order_P] == largest][-1]] = side
    return side_P
