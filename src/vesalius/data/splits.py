"""Splits by patient: no patient lies on two sides, by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NAMES = ("train", "validation", "test")
ALIASES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
NO_PATIENTS = (
    "patient ids are not known, so cases of one patient could fall on both sides; name the column "
    "(data.patient_id), keep the source's own splits (split.by=given), or accept it with "
    "split.no_patient_id=true (--no-patient-id)"
)


def split(
    cases: CaseSet,
    *,
    by: Literal["patient", "given"] = "patient",
    test: float = 0.15,
    validation: float = 0.15,
    seed: int = 0,
    stratify: str | None = None,
    no_patient_id: bool = False,
) -> CaseSet:
    """Return the cases with a split column of ``train``, ``validation`` and ``test``.

    The same patients, seed and shares give the same split, in whatever order the cases come.

    Args:
        by: ``patient`` draws whole patients; ``given`` keeps the source's splits, and draws the
            validation or test part from its training part, by patient, where it has none.
        test: share of the cases; the nearest that whole patients allow.
        validation: share of the cases.
        seed: of the drawing.
        stratify: ``labels`` balances every label over the splits, a label's name only that one.
        no_patient_id: accept cases without patient ids: each is then its own patient.

    Raises:
        DataError: patient ids are missing, or there are too few patients.
    """
    if by not in ("patient", "given"):
        raise unknown("split.by", by, ("patient", "given"))
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise DataError(f"split: test={test} and validation={validation} leave no training part")
    shares = {"test": test, "validation": validation}
    names = np.full(len(cases), "", dtype="<U10")
    if by == "given":
        names = _given(cases)
        shares = {name: share for name, share in shares.items() if not (names == name).any()}
        if not shares:
            return cases.with_splits(names)
        names[names == "train"] = ""
    if cases.patient_ids is None and not no_patient_id:
        raise DataError(f"{cases.source}: {NO_PATIENTS}")
    rows = np.flatnonzero(names == "")
    drawn = _draw(cases.select(rows), shares, seed=seed, stratify=stratify)
    names[rows] = drawn
    return cases.with_splits(names)


def _given(cases: CaseSet) -> NDArray[np.str_]:
    if cases.splits is None:
        raise DataError(f"{cases.source}: split.by=given, but the source has no splits")
    found = {str(name): ALIASES.get(str(name).strip().lower()) for name in np.unique(cases.splits)}
    for name, known in found.items():
        if known is None:
            raise unknown(f"{cases.source}: split", name, ALIASES)
    names = np.array([found[str(name)] for name in cases.splits], dtype="<U10")
    if not (names == "train").any():
        raise DataError(f"{cases.source}: the given splits have no training part")
    return names


def _draw(
    cases: CaseSet, shares: dict[str, float], *, seed: int, stratify: str | None
) -> NDArray[np.str_]:
    """Deal patients out, the rarest label's first, each to the split that lacks most of it."""
    ids = cases.case_ids if cases.patient_ids is None else cases.patient_ids
    patients, patient_N = np.unique(ids, return_inverse=True)
    names = [*shares, "train"]
    if len(patients) < len(names):
        raise DataError(
            f"{cases.source}: {len(patients)} patients cannot be split into {len(names)} parts"
        )
    share_S = np.array([*shares.values(), 1 - sum(shares.values())])
    sizes_P = np.bincount(patient_N, minlength=len(patients)).astype(float)
    counts_PC = np.zeros((len(patients), 0))
    if stratify is not None:
        labels_NC = _stratified_labels(cases, stratify)
        counts_PC = np.zeros((len(patients), labels_NC.shape[1]))
        np.add.at(counts_PC, patient_N, labels_NC)
    order_P = np.random.default_rng(seed).permutation(len(patients))
    side_P = _deal(order_P, sizes_P, counts_PC, share_S)
    return np.array(names, dtype="<U10")[side_P[patient_N]]


def _deal(
    order_P: Int[np.ndarray, "P"],
    sizes_P: Float[np.ndarray, "P"],
    counts_PC: Float[np.ndarray, "P C"],
    share_S: Float[np.ndarray, "S"],
) -> Int[np.ndarray, "P"]:
    """Iterative stratification (Sechidis et al. 2011) of patients in a given order."""
    side_P = np.full(len(order_P), -1)
    wanted_S = share_S * sizes_P.sum()
    wanted_SC = share_S[:, None] * counts_PC.sum(0)
    rank_P = np.empty(len(order_P), dtype=int)
    rank_P[order_P] = np.arange(len(order_P))

    def give(patient: int, side: int) -> None:
        side_P[patient] = side
        wanted_S[side] -= sizes_P[patient]
        wanted_SC[side] -= counts_PC[patient]

    for label in np.argsort(counts_PC.sum(0), kind="stable"):
        with_label = np.flatnonzero((counts_PC[:, label] > 0) & (side_P < 0))
        for patient in with_label[np.argsort(rank_P[with_label])]:
            lack = np.lexsort((-wanted_S / share_S, -wanted_SC[:, label]))
            give(int(patient), int(lack[0]))
    for patient in order_P:
        if side_P[patient] < 0:
            give(int(patient), int(np.argmax(wanted_S / share_S)))
    return side_P


def _stratified_labels(cases: CaseSet, stratify: str) -> Float[np.ndarray, "N C"]:
    if stratify == "labels":
        chosen = list(range(len(cases.label_names)))
    elif stratify in cases.label_names:
        chosen = [cases.label_names.index(stratify)]
    else:
        raise unknown("split.stratify", stratify, ("labels", *cases.label_names))
    return (cases.labels_NC[:, chosen] == 1).astype(float)
