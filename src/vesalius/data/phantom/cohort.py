"""The cohort: who is filmed, what they have, and how that goes together.

Every patient has a random stream of their own, so that case i is the same in every cohort of a
seed, however large. Findings come in company, as in a hospital: heart failure brings a large
heart, edema and effusions; an infection brings consolidation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vesalius.data.phantom.anatomy import Anatomy
from vesalius.data.phantom.film import SITES, Site
from vesalius.data.phantom.findings import DEVICES, NAMES, Lesion

VERSION = "phantom/v2"  # part of every image's hash: the same seed draws the same film
STATES = {"healthy": 0.40, "heart failure": 0.16, "infection": 0.14, "other": 0.30}
CHANCES = {
    "healthy": {"Support Devices": 0.03},
    "heart failure": {"Cardiomegaly": 0.80, "Edema": 0.50, "Pleural Effusion": 0.50,
                      "Support Devices": 0.30, "Atelectasis": 0.12},
    "infection": {"Consolidation": 0.92, "Pleural Effusion": 0.20, "Atelectasis": 0.10,
                  "Support Devices": 0.12},
    "other": {"Cardiomegaly": 0.14, "Nodule": 0.27, "Atelectasis": 0.26, "Fracture": 0.26,
              "Pneumothorax": 0.26, "Support Devices": 0.22, "Pleural Effusion": 0.10,
              "Consolidation": 0.05},
}  # fmt: skip
LASTING = ("Cardiomegaly", "Nodule", "Fracture")  # these stay from one study to the next
BOTH_SIDES = {"Pleural Effusion": 0.35, "Atelectasis": 0.25, "Nodule": 0.15}


@dataclass(frozen=True, slots=True)
class Study:
    """One film: its patient, what it shows, and the seed that draws it."""

    patient: int
    number: int
    age: int
    sex: str
    site: Site
    anatomy: Anatomy
    lesions: tuple[Lesion, ...]
    seed: tuple[int, ...]

    def lesion(self, name: str) -> Lesion | None:
        return next((lesion for lesion in self.lesions if lesion.name == name), None)


def studies(seed: int, *, site_shift: float = 0.0) -> Iterator[Study]:
    """Yield studies without end, patient after patient.

    ``site_shift`` in [0, 1] is the chance that a film that would come from site A comes from B.
    """
    patient = 0
    while True:
        yield from _patient(seed, patient, site_shift)
        patient += 1


def _patient(seed: int, patient: int, site_shift: float) -> Iterator[Study]:
    rng = np.random.default_rng([seed, patient])
    count = int(rng.choice([1, 2, 3], p=[0.62, 0.26, 0.12]))
    state = str(rng.choice(list(STATES), p=list(STATES.values())))
    age = int(np.clip(rng.normal(48 if state == "healthy" else 63, 16), 18, 95))
    sex = str(rng.choice(["F", "M"]))
    fat, width = float(rng.beta(2, 2)), rng.uniform(0.325, 0.395)
    apex, dome, slant = (
        rng.uniform(0.105, 0.145),
        rng.uniform(0.67, 0.735),
        rng.uniform(0.03, 0.075),
    )
    heart, tilt = rng.uniform(0.40, 0.485), rng.uniform(0.2, 1.0)
    site = SITES[int(rng.choice(len(SITES), p=[0.5, 0.3, 0.2]))]
    if rng.random() < site_shift and site.name == "A":
        site = SITES[1]
    lasting = {name: _lesion(name, rng) for name in LASTING if _has(name, state, rng)}
    if "Cardiomegaly" in lasting:
        heart = 0.53 + 0.15 * lasting["Cardiomegaly"].severity
    for number in range(count):
        passing = {n: _lesion(n, rng) for n in NAMES if n not in LASTING and _has(n, state, rng)}
        found = {**lasting, **passing}
        collapsed = found.get("Atelectasis")
        raised = [0.0, 0.0]
        if collapsed is not None:
            for side in collapsed.sides:
                raised[("right", "left").index(side)] = 0.02 + 0.045 * collapsed.severity
        breath = rng.normal(0, 0.012)
        yield Study(
            patient=patient,
            number=number,
            age=age,
            sex=sex,
            site=site,
            anatomy=Anatomy(
                width=width,
                apex=apex,
                domes=(dome + breath - raised[0], dome + 0.024 + breath - raised[1]),
                heart_share=heart + 0.25 * max(-breath, 0),
                heart_tilt=tilt,
                fat=fat,
                female=sex == "F",
                age=age,
                slant=slant,
            ),
            lesions=tuple(found[name] for name in NAMES if name in found),
            seed=(seed, patient, number, 1),
        )


def _has(name: str, state: str, rng: np.random.Generator) -> bool:
    return bool(rng.random() < CHANCES[state].get(name, 0.0))


def _lesion(name: str, rng: np.random.Generator) -> Lesion:
    """Draw severity, side, place and kind of a finding."""
    first, second = ("right", "left") if rng.random() < 0.55 else ("left", "right")
    both = rng.random() < BOTH_SIDES.get(name, 0.0)
    sides: tuple[str, ...] = (first, second) if both else (first,)
    if name in ("Cardiomegaly", "Edema", "Support Devices"):
        sides = ()
    kind = (
        str(rng.choice(list(DEVICES), p=[0.30, 0.30, 0.15, 0.25]))
        if name == "Support Devices"
        else ""
    )
    return Lesion(name, float(rng.beta(1.6, 1.6)), sides, float(rng.random()), kind)
