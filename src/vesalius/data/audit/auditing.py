"""The audit of a data set: everything that would make its numbers wrong, found and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.audit.fingerprints import read_hashes, write_hashes
from vesalius.data.audit.identifiers import Sighting, identifiers
from vesalius.data.audit.labels import (
    Companions,
    Contradiction,
    RareLabel,
    companions,
    contradictions,
    imbalance,
    rare_labels,
)
from vesalius.data.audit.looks import look_at_all
from vesalius.data.audit.patients import SharedPatient, shared_patients
from vesalius.data.audit.store import LookStore
from vesalius.data.audit.twins import (
    Pair,
    Prints,
    exact_groups,
    near_pairs,
    pairs_between,
    prints,
)
from vesalius.data.audit.words import Reused, reused_texts

LARGE_GROUP = 40  # of a larger group of copies, each is compared with the first only


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a set shares with another one, such as a model's pretraining data.

    ``confirmed`` is False where the other set came as hashes: near twins are then candidates.
    ``patients`` counts patient ids that stand in both; two sources may number alike by chance.
    """

    source: str
    cases: int
    pairs: tuple[Pair, ...]
    patients: int
    unreadable: tuple[Skipped, ...] = ()
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the audit: what was found, how often, and how much it matters.

    ``level`` is ``error`` (numbers will be wrong), ``warning`` (look at it) or ``note``.
    """

    kind: str
    title: str
    count: int
    level: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found; rows are places in the set that was given.

    ``exact`` are groups of rows with the same pixels, ``near`` pairs of rows that are one picture
    changed a little (of a group with the same pixels, its first row stands for all).
    ``contradictions`` are copies whose known labels differ. ``unchecked`` are kinds of findings
    that the set has no column for: not found there does not mean that there are none.
    """

    source: str
    cases: int
    splits: tuple[str, ...] = field(repr=False)
    opened: int
    shared_patients: tuple[SharedPatient, ...]
    exact: tuple[tuple[int, ...], ...]
    near: tuple[Pair, ...]
    against: Overlap | None
    reused: tuple[Reused, ...]
    rare: tuple[RareLabel, ...]
    companions: tuple[Companions, ...]
    imbalance: float | None
    contradictions: tuple[Contradiction, ...]
    unreadable: tuple[Skipped, ...]
    flat: tuple[int, ...]
    burned_in: tuple[int, ...]
    identifiers: tuple[Sighting, ...]
    skipped: tuple[Skipped, ...]
    unchecked: tuple[str, ...] = ()

    def across_splits(self, rows: Sequence[int]) -> bool:
        """Say whether rows lie in more than one split."""
        return len({self.splits[row] for row in rows} - {""}) > 1 if self.splits else False

    def near_across(self) -> tuple[Pair, ...]:
        """Return the near twins of which copies lie in more than one split."""
        group_of = {row: group for group in self.exact for row in group}
        return tuple(
            p for p in self.near
            if self.across_splits(
                (*group_of.get(p.first, (p.first,)), *group_of.get(p.second, (p.second,)))
            )
        )  # fmt: skip

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings, those that make numbers wrong first; nothing found gives none."""
        exact_across = sum(self.across_splits(group) for group in self.exact)
        across = [own for own in self.reused if len(own.splits) > 1]
        found = [
            Finding("patients", "patients in more than one split", len(self.shared_patients),
                    "error"),
            Finding("exact_across", "images with the same pixels in more than one split",
                    exact_across, "error"),
            Finding("near_across", "near twins in more than one split", len(self.near_across()),
                    "error"),
            Finding("against", "pairs of images shared with the other set",
                    0 if self.against is None else len(self.against.pairs), "error"),
            Finding("contradictions", "copies of one image with other labels",
                    len(self.contradictions), "error"),
            Finding("unreadable", "images that cannot be read", len(self.unreadable), "error"),
            Finding("identifiers", "kinds of words that look like an identifier",
                    len(self.identifiers), "error"),
            Finding("exact", "groups of images with the same pixels", len(self.exact), "warning"),
            Finding("near", "near twins", len(self.near), "warning"),
            Finding("texts_across", "texts in more than one split, word for word", len(across),
                    "warning"),
            Finding("burned_in", "images with what may be burned-in text", len(self.burned_in),
                    "warning"),
            Finding("flat", "images without content", len(self.flat), "warning"),
            Finding("rare", "labels with fewer than 10 positives, in the set or in a split",
                    len(self.rare), "warning"),
            Finding("skipped", "rows left out by the reader", len(self.skipped), "warning"),
            Finding("texts", "texts of several patients, word for word", len(self.reused), "note"),
            Finding("companions", "labels that hardly occur without another one",
                    len(self.companions), "note"),
        ]  # fmt: skip
        return tuple(own for own in found if own.count)


def audit(
    cases: CaseSet,
    *,
    against: CaseSet | Path | None = None,
    folder: Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> Audit:
    """Audit a data set: every image is looked at once, every text, name and label.

    Args:
        cases: what a reader gave.
        against: another set, such as a model's pretraining data, or a ``hashes.csv`` of one.
        folder: where looks are kept for the next audit (``looks.sqlite``: thumbnails of 64×64)
            and ``hashes.csv`` is written; by default nothing is written.
        workers: processes that decode; None chooses by the number of images and cores.
        progress: show a bar.

    Raises:
        DataError: the set is empty, or the folder or the other set cannot be used.
    """
    if not len(cases):
        raise DataError(f"{cases.source}: there are no cases to audit")
    theirs = read_hashes(against) if isinstance(against, Path) else against
    with LookStore(None if folder is None else folder / "looks.sqlite") as store:
        own, unreadable, text = _seen(cases, store, workers=workers, progress=progress)
        near = near_pairs(own, store)
        overlap = None
        if theirs is not None:
            overlap = _overlap(cases, own, theirs, store, workers=workers, progress=progress)
        if folder is not None:
            write_hashes(folder / "hashes.csv", own)
    groups = exact_groups(own.digests)
    copies = [pair for group in groups for pair in _pairs(group)]
    copies += [(pair.first, pair.second) for pair in near]
    return Audit(
        source=cases.source,
        cases=len(cases),
        splits=() if cases.splits is None else tuple(cases.splits.tolist()),
        opened=len(cases) - len(unreadable),
        shared_patients=shared_patients(cases),
        exact=tuple(tuple(group) for group in groups),
        near=tuple(sorted(near, key=lambda pair: -pair.detail)),
        against=overlap,
        reused=reused_texts(cases),
        rare=rare_labels(cases),
        companions=companions(cases),
        imbalance=imbalance(cases),
        contradictions=contradictions(cases, copies),
        unreadable=unreadable,
        flat=own.flat,
        burned_in=text,
        identifiers=identifiers(cases),
        skipped=cases.skipped,
        unchecked=_unchecked(cases),
    )


def _unchecked(cases: CaseSet) -> tuple[str, ...]:
    """Return the kinds of findings that cannot be looked for without a column that is missing."""
    wanted = {
        "patients": cases.patient_ids is not None and cases.splits is not None,
        "texts": cases.texts is not None,
        "contradictions": bool(cases.label_names),
        "rare": bool(cases.label_names),
        "companions": len(cases.label_names) > 1 and cases.task == "multilabel",
    }
    return tuple(kind for kind, possible in wanted.items() if not possible)


def _seen(
    cases: CaseSet, store: LookStore, *, workers: int | None, progress: bool
) -> tuple[Prints, tuple[Skipped, ...], tuple[int, ...]]:
    """Look at every image; return its prints, the unreadable ones, those with burned-in text."""
    contents = look_at_all(cases, store, workers=workers, progress=progress)
    looks = store.without_thumbnails(contents)
    unreadable = tuple(
        Skipped(cases.images.name(row), look.fault) for row, look in enumerate(looks) if look.fault
    )
    text = tuple(row for row, look in enumerate(looks) if look.text_rows)
    return prints(looks, contents, store), unreadable, text


def _overlap(
    cases: CaseSet,
    own: Prints,
    against: CaseSet | Prints,
    store: LookStore,
    *,
    workers: int | None,
    progress: bool,
) -> Overlap:
    if isinstance(against, Prints):
        pairs = pairs_between(own, against, store)
        return Overlap("the hashes", len(against.digests), _ranked(pairs), 0, confirmed=False)
    other, unreadable, _ = _seen(against, store, workers=workers, progress=progress)
    both = 0
    if cases.patient_ids is not None and against.patient_ids is not None:
        both = len((set(cases.patient_ids.tolist()) & set(against.patient_ids.tolist())) - {""})
    pairs = pairs_between(own, other, store)
    return Overlap(against.source, len(against), _ranked(pairs), both, unreadable)


def _ranked(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: (not pair.exact, -pair.detail, pair.bits)))


def _pairs(group: Sequence[int]) -> list[tuple[int, int]]:
    if len(group) > LARGE_GROUP:
        return [(group[0], row) for row in group[1:]]
    return list(combinations(group, 2))
