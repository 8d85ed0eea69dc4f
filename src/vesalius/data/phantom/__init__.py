"""The phantom: a cohort of procedurally drawn chest films with reports, masks and questions.

Everything is drawn by this package from a seed: no patient, no scanner, nothing clinical. It is
the data that every study runs on when nothing else is at hand, and a ground truth that no real
set has: each finding's exact pixels. **No number on it says anything about patients.**
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import Box, CaseSet, DataError, Mask, Question, mask_box
from vesalius.data.phantom.cohort import VERSION, Study, studies
from vesalius.data.phantom.findings import NAMES
from vesalius.data.phantom.questions import questions
from vesalius.data.phantom.render import render
from vesalius.data.phantom.reports import report

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

__all__ = ["NAMES", "read"]

SMALLEST, LARGEST = 48, 2048
KEPT_BYTES = 256 * 2**20
SMALLEST_PART = 0.1  # of the largest

lately = lru_cache(maxsize=4)(render)  # a film is asked for together with its masks and its boxes


def read(
    *, n: int = 2000, seed: int = 0, image_size: int = 224, site_shift: float = 0.0
) -> CaseSet:
    """Draw a cohort of ``n`` frontal chest films of 1 to 3 studies a patient.

    Case i is the same in every cohort of a seed, at any ``n``. Images, masks, boxes and questions
    are made when they are asked for.

    Args:
        n: films.
        seed: of the whole cohort.
        image_size: side of the square films in pixels; the anatomy is the same at every size.
        site_shift: chance in [0, 1] that a film of scanner A has the look of scanner B.

    Raises:
        DataError: a setting is out of range.
    """
    if n < 1 or not SMALLEST <= image_size <= LARGEST or not 0 <= site_shift <= 1 or seed < 0:
        raise DataError(
            f"phantom: n={n} must be 1 or more, image_size={image_size} in {SMALLEST}–{LARGEST}, "
            f"site_shift={site_shift} in 0–1 and seed={seed} 0 or more"
        )
    drawn = list(islice(studies(seed, site_shift=site_shift), n))
    labels_NC = np.array([[s.lesion(name) is not None for name in NAMES] for s in drawn], float)
    return CaseSet(
        case_ids=np.array([f"phantom-{seed}-{i:06d}" for i in range(n)], dtype=np.str_),
        images=Films(drawn, image_size),
        labels_NC=labels_NC,
        label_names=NAMES,
        patient_ids=np.array([f"patient-{seed}-{s.patient:06d}" for s in drawn], dtype=np.str_),
        texts=np.array([report(s) for s in drawn], dtype=object),
        attributes={
            "age": np.array([s.age for s in drawn]),
            "sex": np.array([s.sex for s in drawn]),
            "site": np.array([s.site.name for s in drawn]),
            "study": np.array([s.number for s in drawn]),
            "view": np.array(["PA"] * n),
        },
        regions=DrawnRegions(drawn, image_size),
        questions=Asked(drawn),
        source=f"phantom seed {seed}",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Films:
    """The films, drawn when read and then kept up to a bound (an ``ImageColumn``)."""

    studies: Sequence[Study]
    side: int
    kept: dict[tuple[int, ...], UInt8[np.ndarray, "S S"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.studies)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "S S"]:
        study = self.studies[index]
        if study.seed not in self.kept:
            film = lately(study, self.side)[0].copy()
            if (len(self.kept) + 1) * film.nbytes > KEPT_BYTES:
                return film
            self.kept[study.seed] = film
        return self.kept[study.seed].copy()

    def name(self, index: int) -> str:
        study = self.studies[index]
        return f"phantom/{study.patient:06d}-{study.number}"

    def content_hash(self, index: int) -> str:
        study = self.studies[index]
        words = f"{VERSION} {study.seed} {study.site.name} {self.side}"
        return sha256(words.encode()).hexdigest()

    def take(self, indices: NDArray[np.integer]) -> Films:
        return Films([self.studies[i] for i in indices], self.side, self.kept)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRegions:
    """Exact masks of findings, lungs and heart, and a box around each part of a finding."""

    studies: Sequence[Study]
    side: int

    def __len__(self) -> int:
        return len(self.studies)

    def masks(self, index: int) -> Mapping[str, Mask]:
        masks = lately(self.studies[index], self.side)[1]
        return {name: Mask(mask.values_HW.copy(), name) for name, mask in masks.items()}

    def boxes(self, index: int) -> tuple[Box, ...]:
        return tuple(
            box
            for name, mask in self.masks(index).items()
            if name in NAMES
            for part_HW in _parts(mask.values_HW)
            if (box := mask_box(name, part_HW)) is not None
        )

    def take(self, indices: NDArray[np.integer]) -> DrawnRegions:
        return DrawnRegions([self.studies[i] for i in indices], self.side)


def _parts(mask_HW: Bool[np.ndarray, "H W"]) -> list[Bool[np.ndarray, "H W"]]:
    """Return the connected parts of a mask: effusions of both sides, each broken rib.

    What is smaller than a tenth of the largest is a crumb at its edge and has no box of its own.
    """
    from scipy.ndimage import label

    labels_HW, count = label(mask_HW, structure=np.ones((3, 3)))
    sizes = np.bincount(labels_HW.ravel(), minlength=count + 1)[1:]
    kept = np.flatnonzero(sizes >= SMALLEST_PART * sizes.max(initial=0)) + 1
    return [labels_HW == part for part in kept]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The questions about each film (a ``QuestionColumn``)."""

    studies: Sequence[Study]

    def __len__(self) -> int:
        return len(self.studies)

    def __getitem__(self, index: int) -> tuple[Question, ...]:
        return questions(self.studies[index])

    def take(self, indices: NDArray[np.integer]) -> Asked:
        return Asked([self.studies[i] for i in indices])
