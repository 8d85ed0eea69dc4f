"""Splits by patient: no patient lies on two sides, by construction.

Legend of shapes: N cases, P patients, C labels, S sides (splits).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, unknown
from vesalius.data.deal import deal

if TYPE_CHECKING:
    from jaxtyping import Float

ALIASES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation",
    "validate": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
NO_PATIENTS = (
    "so cases of one patient could fall on both sides; name the column of patients where there is "
    "one, keep the source's own splits (split.by=given), or pass no_patient_id=True "
    "(split.no_patient_id=true in a recipe, --no-patient-id on the command line) to take every "
    "case as a patient of its own"
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

    The same patients, shares and seed give the same split, in whatever order the cases come.

    Args:
        by: ``patient`` draws whole patients. ``given`` keeps the source's splits; where the source
            has no validation or no test part, that one is drawn from its training part, by
            patient, its share being one of the training part.
        test: share of the cases, as near as whole patients allow; 0 draws none.
        validation: share of the cases; 0 draws none.
        seed: of the drawing.
        stratify: ``labels`` spreads every label evenly (iterative stratification of patients,
            Sechidis et al. 2011), a label's name only that one.
        no_patient_id: accept cases without patient ids: each is then a patient of its own.

    Raises:
        DataError: patient ids or given splits are missing, or there are too few patients.
    """
    if by not in ("patient", "given"):
        raise unknown("split.by", by, ("patient", "given"))
    if min(test, validation) < 0 or test + validation >= 1:
        raise DataError(f"split: test={test} and validation={validation} leave no training part")
    shares = {"test": test, "validation": validation}
    names = np.full(len(cases), "train", dtype="<U10")
    if by == "given":
        names = _given(cases)
        shares = {name: share for name, share in shares.items() if not (names == name).any()}
    shares = {name: share for name, share in shares.items() if share > 0}
    rows = np.flatnonzero(names == "train")
    if shares:
        names[rows] = _draw(
            cases.select(rows), shares, seed=seed, stratify=stratify, alone=no_patient_id
        )
    return cases.with_splits(names)


def split_name(given: str, where: str) -> str:
    """Return the split that a source's own word means.

    >>> split_name("dev", "manifest.csv, line 2")
    'validation'
    """
    name = ALIASES.get(given.strip().lower())
    if name is None:
        raise unknown(f"{where}: split", given, ALIASES)
    return name


def _given(cases: CaseSet) -> NDArray[np.str_]:
    if cases.splits is None:
        raise DataError(f"{cases.source}: split.by=given, but the source has no splits")
    blank = int((cases.splits == "").sum())
    if blank:
        raise DataError(f"{cases.source}: split.by=given, but {blank:,} cases have no split")
    found = {str(name): split_name(str(name), cases.source) for name in np.unique(cases.splits)}
    names = np.array([found[str(name)] for name in cases.splits], dtype="<U10")
    if not (names == "train").any():
        raise DataError(f"{cases.source}: the given splits have no training part")
    return names


def _draw(
    cases: CaseSet,
    shares: Mapping[str, float],
    *,
    seed: int,
    stratify: str | None,
    alone: bool,
) -> NDArray[np.str_]:
    sides = (*shares, "train")
    share_S = np.array([*shares.values(), 1 - sum(shares.values())])
    patients, patient_N = np.unique(_patients(cases, alone=alone), return_inverse=True)
    if len(patients) < len(sides):
        raise DataError(
            f"{cases.source}: {len(patients)} patients cannot be dealt to {len(sides)} splits "
            f"({', '.join(sides)})"
        )
    labels_NC = _stratified(cases, stratify)
    counts_PC = np.zeros((len(patients), labels_NC.shape[1]))
    np.add.at(counts_PC, patient_N, labels_NC)
    sizes_P = np.bincount(patient_N, minlength=len(patients)).astype(float)
    order_P = np.random.default_rng(seed).permutation(len(patients))
    side_P = deal(order_P, sizes_P, counts_PC, share_S)
    return np.array(sides, dtype="<U10")[side_P[patient_N]]


def _patients(cases: CaseSet, *, alone: bool) -> NDArray[np.str_]:
    """Return who each case belongs to; a case without a patient stands alone, where allowed."""
    known = cases.patient_ids
    blank_N = np.ones(len(cases), bool) if known is None else known == ""
    if blank_N.any() and not alone:
        how_many = "no" if blank_N.all() else f"{int((~blank_N).sum()):,} of {len(cases):,}"
        raise DataError(f"{cases.source}: {how_many} cases have a patient id, {NO_PATIENTS}")
    own = np.char.add("case ", cases.case_ids)
    return own if known is None else np.where(blank_N, own, np.char.add("patient ", known))


def _stratified(cases: CaseSet, stratify: str | None) -> Float[np.ndarray, "N C"]:
    """Return where the labels to be spread are present; unknown does not count."""
    names = cases.label_names
    if stratify is None:
        chosen: list[int] = []
    elif stratify == "labels":
        chosen = list(range(len(names)))
    elif stratify in names:
        chosen = [names.index(stratify)]
    else:
        raise unknown("split.stratify", stratify, ("labels", *names))
    return (cases.labels_NC[:, chosen] == 1).astype(float)
