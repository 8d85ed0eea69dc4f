"""Patients that lie in more than one split."""

from __future__ import annotations

from dataclasses import dataclass

from vesalius.core import CaseSet


@dataclass(frozen=True, slots=True)
class SharedPatient:
    """A patient in several splits, with the number of cases in each."""

    patient: str
    cases: tuple[tuple[str, int], ...]


def shared_patients(cases: CaseSet) -> tuple[SharedPatient, ...]:
    """Return the patients that lie in more than one split; blank ids and splits do not count."""
    if cases.splits is None or cases.patient_ids is None:
        return ()
    counts: dict[str, dict[str, int]] = {}
    for patient, split in zip(cases.patient_ids.tolist(), cases.splits.tolist(), strict=True):
        if patient and split:
            own = counts.setdefault(patient, {})
            own[split] = own.get(split, 0) + 1
    return tuple(
        SharedPatient(patient, tuple(sorted(own.items())))
        for patient, own in counts.items() if len(own) > 1
    )  # fmt: skip
