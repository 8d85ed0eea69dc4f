"""A cloud: embeddings with the cases that they are of.

Legend: N cases, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings
from vesalius.evaluation.alignment import align
from vesalius.evaluation.separability import first_positive

if TYPE_CHECKING:
    from jaxtyping import Float

Unit = Literal["patient", "case"]
FEWEST = 4  # cases of a cloud, below which nothing can be said


@dataclass(frozen=True, slots=True)
class Cloud:
    """What is compared: its name on the page, its rows, and their cases in the same order."""

    name: str
    embeddings: Embeddings
    cases: CaseSet

    @classmethod
    def of(cls, name: str, embeddings: Embeddings, cases: CaseSet) -> Cloud:
        """Keep the cases that have a row, as the rows lie.

        Raises:
            DataError: there are too few.
        """
        rows, kept = align(embeddings, cases)
        if len(rows) < FEWEST:
            raise DataError(f"{name} has {len(rows)} cases; a comparison needs at least {FEWEST}")
        return cls(name, rows, kept)

    def __len__(self) -> int:
        return len(self.embeddings)

    def values(self, *, normalise: bool) -> Float[np.ndarray, "N D"]:
        """Return the rows, divided by their length where distances are to be those of cosines."""
        return self.embeddings.normalised() if normalise else self.embeddings.values_ND

    def patients(self, by: Unit) -> NDArray[np.str_] | None:
        """Return the patient of each case; None where cases stand alone."""
        return self.cases.patient_ids if by == "patient" else None

    @property
    def has_several_a_patient(self) -> bool:
        """Whether a patient is known to have more than one case."""
        patients = self.cases.patient_ids
        return patients is not None and len(np.unique(patients)) < len(self)

    @property
    def units(self) -> str:
        """How many cases, and of how many patients."""
        patients = self.cases.patient_ids
        if patients is None or not self.has_several_a_patient:
            return f"{len(self):,} cases"
        return f"{len(self):,} cases of {len(np.unique(patients)):,} patients"

    @property
    def classes(self) -> NDArray[np.str_]:
        """The class of each case: its first positive label; empty where that is not known."""
        class_N, names = first_positive(self.cases)
        if not self.cases.label_names:
            return np.full(len(self), "", np.str_)
        return np.array([names[c] if c >= 0 else "" for c in class_N], np.str_)

    @property
    def weights(self) -> str:
        """Which weights made the rows; empty where that is not known."""
        return self.embeddings.provenance.get("weights_hash", "")

    def with_own_patients(self, place: str) -> Cloud:
        """Return the cloud with patients that no other set has: '7' here is nobody's '7' there."""
        patients = self.cases.patient_ids
        if patients is None:
            return self
        own = np.array([f"{place}: {patient}" for patient in patients.tolist()], np.str_)
        return Cloud(self.name, self.embeddings, replace(self.cases, patient_ids=own))

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_], name: str = "") -> Cloud:
        """Return some of the cases, under another name if one is given."""
        return Cloud(name or self.name, self.embeddings.select(rows), self.cases.select(rows))


def exchanged(
    first: Cloud, second: Cloud, by: Unit
) -> tuple[NDArray[np.str_] | None, NDArray[np.str_] | None]:
    """Return the patients of both, who are exchanged; None and None unless both are known."""
    own, other = first.patients(by), second.patients(by)
    return (None, None) if own is None or other is None else (own, other)


def without_shared_patients(first: Cloud, second: Cloud, by: Unit) -> tuple[Cloud, Cloud, str]:
    """Leave out the patients with cases in both clouds, who cannot be exchanged; say how many."""
    own, other = exchanged(first, second, by)
    if own is None or other is None:
        return first, second, ""
    shared = np.intersect1d(own, other)
    if not shared.size:
        return first, second, ""
    one = first.select(~np.isin(own, shared))
    two = second.select(~np.isin(other, shared))
    if min(len(one), len(two)) < FEWEST:
        raise DataError(
            f"{first.name} and {second.name} are of the same patients: {shared.size} have cases in "
            "both; compare them as pairs (paired), or cases alone (by=case)"
        )
    return (
        one,
        two,
        (
            f"{shared.size:,} patients have cases in both {first.name} and {second.name}; they "
            "were left out, since they cannot be exchanged as a whole."
        ),
    )


def halves(cloud: Cloud, rng: np.random.Generator) -> tuple[Cloud, Cloud]:
    """Part a cloud by chance into two of equal size; a patient's cases stay together."""
    unit_N = cloud.cases.case_ids if cloud.cases.patient_ids is None else cloud.cases.patient_ids
    units = rng.permutation(np.unique(unit_N))
    first_N = np.isin(unit_N, units[: len(units) // 2])
    return (
        cloud.select(first_N, f"one half of {cloud.name}"),
        cloud.select(~first_N, f"the other half of {cloud.name}"),
    )
