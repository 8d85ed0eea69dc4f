"""Inspection: what is in a data set, counted before anything is learnt from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vesalius.core import CaseSet, Skipped
from vesalius.data.inspection.opening import Opened, open_all
from vesalius.data.inspection.region_counts import (
    MaskCount,
    QuestionCount,
    count_boxes,
    count_masks,
    count_questions,
)
from vesalius.data.tables.column_report import ColumnReport

SPLITS = ("train", "validation", "test")  # as a study meets them; others come after


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often a label is present, absent, unknown. Unknown is never counted as absent."""

    name: str
    positive: int
    negative: int
    unknown: int
    positive_by_split: Mapping[str, int] = field(default_factory=dict)

    @property
    def prevalence(self) -> float:
        """The share of positives among the cases where the label is known; NaN where none is.

        >>> LabelCount("Edema", positive=1, negative=3, unknown=96).prevalence
        0.25
        """
        known = self.positive + self.negative
        return self.positive / known if known else float("nan")


@dataclass(frozen=True, slots=True)
class TextCount:
    """The texts: how many there are and how many lack, how many differ, how long (in words)."""

    present: int
    absent: int
    distinct: int
    shortest: int
    lower_quartile: int
    median: int
    upper_quartile: int
    longest: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """Counts of a data set.

    ``patients`` is None where the source names none; ``cases_per_patient`` says how many patients
    have 1, 2 … cases. ``shared_patients`` lie in more than one split. ``no_label`` counts cases
    where every label is known to be absent. ``sizes`` counts the images by width, height and kind,
    ``steps`` by the way from stored values to pixels ("DICOM · JPEG 2000 · window 40/400"),
    ``duplicates`` holds the case ids of images with the same pixels, ``unreadable`` the images
    that did not open and those whose masks did not, ``boxes`` the number of boxes by label: these
    and ``masks`` are empty where the images were not opened. ``skipped`` are the rows
    that the reader left out. ``columns`` says how those of a manifest were read.
    """

    source: str
    task: str
    cases: int
    patients: int | None
    cases_per_patient: Mapping[int, int]
    splits: Mapping[str, int]
    shared_patients: int
    labels: tuple[LabelCount, ...]
    no_label: int
    texts: TextCount | None
    questions: QuestionCount | None
    masks: tuple[MaskCount, ...]
    boxes: Mapping[str, int]
    opened: int
    sizes: Mapping[str, int]
    steps: Mapping[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    duplicates_across_splits: int
    unreadable: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...]
    columns: ColumnReport | None = None

    @property
    def most_per_patient(self) -> int:
        """The cases of the patient who has most; 0 where patients are not known."""
        return max(self.cases_per_patient, default=0)

    def sentence(self) -> str:
        """Say in one sentence what there is."""
        patients = "unknown patients" if self.patients is None else _count(self.patients, "patient")
        texts = 0 if self.texts is None else self.texts.present
        parts = [
            f"{_count(self.cases, 'case')} of {patients}",
            _count(len(self.labels), "label"),
            _count(texts, "text"),
        ]
        extras = {"mask": sum(own.cases for own in self.masks), "box": sum(self.boxes.values()),
                  "question": self.questions.total if self.questions else 0}  # fmt: skip
        parts += [_count(n, noun) for noun, n in extras.items() if n]
        if self.unreadable:
            parts.append(f"{len(self.unreadable):,} unreadable")
        if self.skipped:
            parts.append(f"{_count(len(self.skipped), 'row')} left out")
        return ", ".join(parts) + "."


def inspect(
    cases: CaseSet,
    *,
    check_images: bool = True,
    workers: int | None = None,
    progress: bool = False,
) -> Inspection:
    """Count a data set.

    Args:
        cases: what a reader gave.
        check_images: decode every image and its masks once, to find the unreadable ones, the
            sizes and the exact duplicates, and to count masks and boxes.
        workers: threads that decode; by default one a core.
        progress: show a bar.
    """
    opened = open_all(cases, workers=workers, progress=progress) if check_images else []
    twins = _twins(opened)
    return Inspection(
        source=cases.source,
        task=cases.task,
        cases=len(cases),
        patients=None if cases.patient_ids is None else len(np.unique(cases.patient_ids)),
        cases_per_patient=_cases_per_patient(cases),
        splits=_by_split(cases.splits),
        shared_patients=_shared_patients(cases),
        labels=tuple(_label(cases, i) for i in range(len(cases.label_names))),
        no_label=int((cases.labels_NC == 0).all(1).sum()) if cases.label_names else 0,
        texts=_texts(cases),
        questions=count_questions(cases),
        masks=count_masks(opened),
        boxes=count_boxes(opened),
        opened=len(opened),
        sizes=dict(Counter(image.size for image in opened if image.size).most_common()),
        steps=dict(Counter(image.steps for image in opened if image.steps).most_common()),
        duplicates=tuple(tuple(str(cases.case_ids[i]) for i in rows) for rows in twins),
        duplicates_across_splits=_across(cases, twins),
        unreadable=tuple(
            Skipped(image.name, fault)
            for image in opened
            for fault in (image.fault, image.region_fault)
            if fault
        ),
        skipped=cases.skipped,
    )


def _count(n: int, noun: str) -> str:
    if n == 1:
        return f"{n:,} {noun}"
    return f"{n:,} {noun}{'es' if noun.endswith('x') else 's'}"


def _by_split(splits_N: np.ndarray | None) -> dict[str, int]:
    """Count the cases of each split, in the order in which a study meets them."""
    counts = Counter([] if splits_N is None else splits_N.tolist())
    rest = sorted(counts.keys() - set(SPLITS))
    return {split: counts[split] for split in (*SPLITS, *rest) if split in counts}


def _cases_per_patient(cases: CaseSet) -> dict[int, int]:
    if cases.patient_ids is None:
        return {}
    _, counts = np.unique(cases.patient_ids, return_counts=True)
    return dict(sorted(Counter(counts.tolist()).items()))


def _shared_patients(cases: CaseSet) -> int:
    """Count the patients that lie in more than one split; blank ids and splits do not count."""
    if cases.splits is None or cases.patient_ids is None:
        return 0
    pairs = {(p, s) for p, s in zip(cases.patient_ids, cases.splits, strict=True) if p and s}
    splits_of = Counter(patient for patient, _ in pairs)
    return sum(count > 1 for count in splits_of.values())


def _label(cases: CaseSet, label: int) -> LabelCount:
    values_N = cases.labels_NC[:, label]
    positive, negative = int((values_N == 1).sum()), int((values_N == 0).sum())
    by_split = {} if cases.splits is None else _by_split(cases.splits[values_N == 1])
    return LabelCount(
        name=cases.label_names[label],
        positive=positive,
        negative=negative,
        unknown=len(values_N) - positive - negative,
        positive_by_split={s: by_split.get(s, 0) for s in _by_split(cases.splits)},
    )


def _texts(cases: CaseSet) -> TextCount | None:
    texts = [] if cases.texts is None else [text for text in cases.texts if text and text.strip()]
    if not texts:
        return None
    words = [len(text.split()) for text in texts]
    quantiles = np.quantile(words, [0, 0.25, 0.5, 0.75, 1]).round().astype(int)
    return TextCount(len(texts), len(cases) - len(texts), len(set(texts)), *quantiles.tolist())


def _twins(opened: list[Opened]) -> list[list[int]]:
    by_pixels: dict[str, list[int]] = {}
    for row, image in enumerate(opened):
        if not image.fault:
            by_pixels.setdefault(image.pixels, []).append(row)
    return [rows for rows in by_pixels.values() if len(rows) > 1]


def _across(cases: CaseSet, twins: list[list[int]]) -> int:
    """Count the groups of the same image that lie in more than one split."""
    if cases.splits is None:
        return 0
    return sum(len(set(cases.splits[rows].tolist()) - {""}) > 1 for rows in twins)
