"""Inspection: what is in a data set, counted before anything is learnt from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from vesalius.core import CaseSet, ImageError, Skipped


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often a label is present, absent, unknown. Unknown is never counted as absent."""

    name: str
    positive: int
    negative: int
    unknown: int

    @property
    def prevalence(self) -> float:
        """The share of positives among the cases where the label is known; NaN where none is."""
        known = self.positive + self.negative
        return self.positive / known if known else float("nan")


@dataclass(frozen=True, slots=True)
class TextCount:
    """The texts: how many there are, how many differ, how long they are (words)."""

    present: int
    distinct: int
    shortest: int
    median: int
    longest: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """Counts of a data set; ``patients`` is None where the source names none."""

    source: str
    cases: int
    patients: int | None
    most_per_patient: int
    splits: dict[str, int]
    shared_patients: int
    labels: tuple[LabelCount, ...]
    no_label: int
    texts: TextCount | None
    sizes: dict[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    unreadable: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...]

    def sentence(self) -> str:
        """Say in one sentence what there is."""
        patients = "unknown patients" if self.patients is None else f"{self.patients:,} patients"
        broken = f", {len(self.unreadable):,} unreadable" if self.unreadable else ""
        left_out = f", {len(self.skipped):,} rows left out" if self.skipped else ""
        return (
            f"{self.cases:,} cases of {patients}, {len(self.labels)} labels, "
            f"{self.texts.present if self.texts else 0:,} texts{broken}{left_out}."
        )


def inspect(
    cases: CaseSet, *, open_images: bool = True, tick: Callable[[], object] | None = None
) -> Inspection:
    """Count a data set; with ``open_images``, decode every image once to find the broken ones.

    ``tick`` is called after every image, for a progress bar.
    """
    opened = _open_all(cases, tick) if open_images else []
    broken = tuple(Skipped(name, reason) for name, _, _, reason in opened if reason)
    sizes = Counter(size for _, size, _, _ in opened if size)
    by_hash: dict[str, list[str]] = {}
    for i, (_, _, digest, _) in enumerate(opened):
        if digest:
            by_hash.setdefault(digest, []).append(str(cases.case_ids[i]))
    patients = (
        None if cases.patient_ids is None else np.unique(cases.patient_ids, return_counts=True)
    )
    return Inspection(
        source=cases.source,
        cases=len(cases),
        patients=None if patients is None else len(patients[0]),
        most_per_patient=0 if patients is None else int(patients[1].max(initial=0)),
        splits={} if cases.splits is None else dict(sorted(Counter(cases.splits.tolist()).items())),
        shared_patients=_shared_patients(cases),
        labels=tuple(_count(cases, i) for i in range(len(cases.label_names))),
        no_label=int(((cases.labels_NC == 0).all(1)).sum()) if cases.label_names else 0,
        texts=_texts(cases),
        sizes=dict(sizes.most_common()),
        duplicates=tuple(tuple(ids) for ids in by_hash.values() if len(ids) > 1),
        unreadable=broken,
        skipped=cases.skipped,
    )


def _open_all(cases: CaseSet, tick: Callable[[], object] | None) -> list[tuple[str, str, str, str]]:
    """Return (name, size in words, content hash, why it cannot be read) of every image."""

    def look(i: int) -> tuple[str, str, str, str]:
        name = cases.images.name(i)
        try:
            image = cases.images[i]
            found = (name, _size(image.shape), cases.images.content_hash(i), "")
        except ImageError as error:
            found = (name, "", "", str(error))
        if tick is not None:
            tick()
        return found

    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return list(pool.map(look, range(len(cases))))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]} {'colour' if len(shape) == 3 else 'grey'}"


def _count(cases: CaseSet, label: int) -> LabelCount:
    values_N = cases.labels_NC[:, label]
    positive, negative = int((values_N == 1).sum()), int((values_N == 0).sum())
    unknown = len(values_N) - positive - negative
    return LabelCount(cases.label_names[label], positive, negative, unknown)


def _shared_patients(cases: CaseSet) -> int:
    """Count the patients that lie in more than one split."""
    if cases.splits is None or cases.patient_ids is None:
        return 0
    pairs = np.unique(np.stack([cases.patient_ids, cases.splits]).astype(str), axis=1)
    _, splits_per_patient = np.unique(pairs[0], return_counts=True)
    return int((splits_per_patient > 1).sum())


def _texts(cases: CaseSet) -> TextCount | None:
    texts = [] if cases.texts is None else [text for text in cases.texts if text]
    if not texts:
        return None
    words = np.array([len(text.split()) for text in texts])
    return TextCount(
        len(texts), len(set(texts)), int(words.min()), int(np.median(words)), int(words.max())
    )
