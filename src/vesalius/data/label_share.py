"""Few labels: a share of the training cases keeps its labels, drawn by patient and nested.

Protocol ``label_share/v1``, never edited in place: training patients are put in one order, drawn
from the seed, in which each next one has the state (a label present, or absent) that lags most
behind its share; a share takes the beginning. So 1 % lies within 10 %, and 10 % within 100 %. Where
a label has positives and negatives, the beginning holds one of each. Only labels of the training
split are looked at.

Legend: N cases, P patients, C labels.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError

if TYPE_CHECKING:
    from jaxtyping import Float, Int

PROTOCOL = "label_share/v1"


def with_label_share(cases: CaseSet, share: float, *, seed: int) -> CaseSet:
    """Return the cases without those of the training split whose labels are not among the share.

    Validation and test cases stay. The same seed draws nested shares, in whatever order the cases
    come. Raises DataError for a share outside 0…1.
    """
    if not 0 < share <= 1:
        raise DataError(f"labels is {share}, not a share above 0 and at most 1")
    if share == 1 or cases.splits is None:
        return cases
    train_N = np.flatnonzero(cases.splits == "train")
    if not train_N.size:
        raise DataError(f"{cases.source}: no training case whose labels could be drawn")
    train = cases.select(train_N)
    of_whom = train.case_ids if train.patient_ids is None else train.patient_ids
    alone = np.char.add("case ", train.case_ids)
    names = np.where(of_whom == "", alone, np.char.add("patient ", of_whom))
    patients, patient_N = np.unique(names, return_inverse=True)
    order_P, needed = _order(train.labels_NC, patient_N, len(patients), seed)
    sizes_P = np.bincount(patient_N, minlength=len(patients))
    wanted = ceil(share * len(train_N) - 1e-9)
    reached = int(np.searchsorted(np.cumsum(sizes_P[order_P]), wanted)) + 1
    chosen = order_P[: max(reached, needed)]
    kept_N = cases.splits != "train"
    kept_N[train_N[np.isin(patient_N, chosen)]] = True
    return replace(cases.select(kept_N), source=cases.source)


def _order(
    labels_NC: Float[np.ndarray, "N C"], patient_N: Int[np.ndarray, "N"], patients: int, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Return all patients, and how many at the start see every state of every label once.

    After those, each next one is of the state that lags most behind its share so far.
    """
    states_NS = np.concatenate([labels_NC == 1, labels_NC == 0], axis=1).astype(float)
    counts_PS = np.zeros((patients, states_NS.shape[1]))
    np.add.at(counts_PS, patient_N, states_NS)
    counts_PS = counts_PS[:, counts_PS.sum(0) > 0]
    total_S = counts_PS.sum(0)
    left = list(np.random.default_rng(seed).permutation(patients))
    seen_S, order, needed = np.zeros(len(total_S)), list[int](), 0
    while left:
        pick = 0
        if len(total_S):
            lagging = np.lexsort((total_S, seen_S / total_S))
            state = next((s for s in lagging if seen_S[s] < total_S[s]), None)
            if state is not None:
                pick = int(np.argmax(counts_PS[left, state] > 0))
        if (seen_S == 0).any():
            needed = len(order) + 1
        order.append(int(left.pop(pick)))
        seen_S += counts_PS[order[-1]]
    return np.array(order, dtype=np.int64), needed
