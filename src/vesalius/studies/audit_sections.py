"""The audit's page: what was found, worst first, with the images for a person to judge.

Case ids and file names are printed masked: one of them may hold a name or a date.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

from vesalius.core import CaseSet
from vesalius.data.audit import Audit, Pair, masked_name
from vesalius.reporting import (
    Block,
    Column,
    Details,
    Notice,
    Section,
    Table,
    Text,
    figures,
)
from vesalius.studies.audit_pictures import pair_cards, sheet, shown_id

ROWS_SHOWN = 100
LEVELS = {"error": "numbers will be wrong", "warning": "look at it", "note": "for information"}
TEXT_IS = (
    "A cheap look for rows of small bright strokes within a fifth of the edge. It reads nothing: "
    "side markers and scales count, faint or large letters do not."
)


def answer(found: Audit) -> str:
    """Say in a sentence or two what the audit comes to."""
    looked = f"{found.opened:,} of {found.cases:,} images were opened."
    worst = [f"{f.title}: {f.count:,}" for f in found.findings() if f.level == "error"]
    rest = sum(f.level == "warning" for f in found.findings())
    more = f" {rest} other {'finding' if rest == 1 else 'findings'} to look at." if rest else ""
    if not worst:
        return f"Nothing was found that makes numbers wrong by itself.{more} {looked}"
    first = "; ".join(worst)
    return f"{first[0].upper()}{first[1:]}.{more} {looked}"


def sections(cases: CaseSet, found: Audit, other: CaseSet | None = None) -> list[Section]:
    """Return the page's parts; a part without a finding says so in the first table only."""
    parts = [
        _summary(found),
        _patients(found),
        _against(cases, found, other),
        _twins(cases, found),
        _labels(cases, found),
        _texts(found),
        _identifiers(found),
        _images(cases, found),
    ]
    return [part for part in parts if part is not None]


def _summary(found: Audit) -> Section:
    rows = [(f.title, f.count, LEVELS[f.level]) for f in found.findings()]
    clear = [
        title
        for kind, title in CHECKED.items()
        if kind not in {f.kind for f in found.findings()} and kind not in found.unchecked
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(Table(("Found", Column("How many"), "What it means"), rows))
    if not found.splits:
        blocks.append(Notice("The set has no splits, so nothing can lie across them yet.", "note"))
    if found.unchecked:
        missing = "; ".join(CHECKED[kind] for kind in found.unchecked)
        why = "the set has no column for it"
        blocks.append(Notice(f"Could not be looked for ({why}): {missing}.", "warning"))
    if clear:
        blocks.append(Text(f"Looked for and not found: {'; '.join(clear)}."))
    return Section("Findings", "What was looked for, worst first.", blocks)


CHECKED = {
    "patients": "patients in several splits",
    "exact": "images with the same pixels",
    "near": "near twins",
    "contradictions": "copies with other labels",
    "unreadable": "unreadable images",
    "identifiers": "words that look like an identifier",
    "texts": "texts of several patients",
    "burned_in": "burned-in text",
    "flat": "images without content",
    "rare": "rare labels",
    "companions": "labels that only come together",
    "skipped": "rows left out",
}


def _patients(found: Audit) -> Section | None:
    if not found.shared_patients:
        return None
    rows = [
        (masked_name(own.patient), ", ".join(f"{count:,} in {split}" for split, count in own.cases))
        for own in found.shared_patients
    ]
    why = "A model that has seen a patient knows part of the answer: test scores are too good."
    return Section("Patients in several splits", why, _rows(("Patient", "Cases"), rows))


def _against(cases: CaseSet, found: Audit, other: CaseSet | None) -> Section | None:
    overlap = found.against
    if overlap is None:
        return None
    blocks: list[Block] = []
    if not overlap.pairs:
        blocks.append(Text("Not one image is shared."))
    if overlap.patients:
        blocks.append(Notice(
            f"{overlap.patients:,} patient ids stand in both sets; two sources may number alike "
            "by chance.", "warning"))  # fmt: skip
    if overlap.unreadable:
        broken = f"{len(overlap.unreadable):,} images of the other set cannot be read"
        blocks.append(Notice(f"{broken} and were not compared.", "warning"))
    if not overlap.confirmed:
        blocks.append(Notice(
            "The other set came as hashes: near twins are candidates, no pixels could confirm "
            "them.", "note"))  # fmt: skip
    elif other is not None:
        doubtful = sorted(overlap.pairs, key=lambda pair: (pair.exact, pair.detail))
        blocks += pair_cards(cases, other, doubtful)
    rows = [
        (
            shown_id(cases, p.first),
            f"row {p.second + 1}" if other is None else shown_id(other, p.second),
            *_how(p),
        )
        for p in overlap.pairs
    ]
    if rows:
        blocks += _rows(("In this set", f"In {overlap.source}", *HOW), rows)
    touched = len({p.first for p in overlap.pairs})
    why = (
        f"{touched:,} of {len(cases):,} images also lie in {overlap.source} "
        f"({overlap.cases:,} images). A model that learnt from that set has seen them."
    )
    return Section("Shared with the other set", why, blocks)


HOW = ("Same", Column("Pixels", digits=3), Column("Detail", digits=3), Column("Bits"))


def _how(pair: Pair) -> tuple[str, float | None, float | None, int]:
    known = not isnan(pair.pixels)
    kind = "pixels" if pair.exact else "picture" if known else "hash"
    return kind, pair.pixels if known else None, pair.detail if known else None, pair.bits


def _twins(cases: CaseSet, found: Audit) -> Section | None:
    if not found.exact and not found.near:
        return None
    across = {(p.first, p.second) for p in found.near_across()}
    at_odds = {(c.first, c.second) for c in found.contradictions}
    exact = [Pair(g[0], row, True, 1.0, 1.0, 0) for g in found.exact for row in g[1:]]

    def worst_first(pair: Pair) -> tuple[bool, bool, bool, float]:
        key = (pair.first, pair.second)
        split = key in across or found.across_splits(key)
        return not split, key not in at_odds, not pair.exact, pair.detail

    pairs = sorted([*exact, *found.near], key=worst_first)
    blocks = pair_cards(cases, cases, pairs)
    if found.exact:
        groups = [(str(len(g)), ", ".join(shown_id(cases, row) for row in g)) for g in found.exact]
        title = f"Groups with the very same pixels: {len(groups):,}"
        blocks.append(Details(title, _rows(("Copies", "Cases"), groups)))
    if found.near:
        rows = [(shown_id(cases, p.first), shown_id(cases, p.second), *_how(p)) for p in found.near]
        title = f"Near twins: {len(rows):,}"
        blocks.append(Details(title, _rows(("Case", "Its twin", *HOW), rows)))
    why = (
        "Copies across splits are a leak, copies within one count twice. A near twin is one "
        "picture resized, compressed, brightened or cropped a little, or the next slice or frame: "
        "after alignment both the pixels (0.90) and the detail (0.95) must correlate."
    )
    return Section("Twins", why, blocks)


def _labels(cases: CaseSet, found: Audit) -> Section | None:
    blocks: list[Block] = []
    if found.contradictions:
        rows = [
            (shown_id(cases, c.first), shown_id(cases, c.second), ", ".join(c.labels))
            for c in found.contradictions
        ]
        blocks += [Text("Copies of one image whose known labels differ:")]
        blocks += _rows(("Case", "Its copy", "At odds on"), rows)
    if cases.label_names:
        blocks.append(figures.prevalence(cases.labels_NC, cases.label_names))
        if len(cases.label_names) > 1 and cases.task == "multilabel":
            blocks.append(figures.cooccurrence(cases.labels_NC, cases.label_names))
    if found.rare:
        rare = [(r.name, r.split or "whole set", r.positives, r.known) for r in found.rare]
        blocks += _rows(("Rare label", "Where", Column("Positive"), Column("Known")), rare)
    if found.companions:
        both = [(c.name, c.other, c.both, c.share) for c in found.companions]
        head = ("Label", "Hardly occurs without", Column("Both"), Column("Share", percent=True))
        blocks += _rows(head, both)
    if not blocks:
        return None
    ratio = found.imbalance
    why = "" if ratio is None else (
        f"The commonest label has {ratio:,.1f} times as many positives as the rarest."
        if isfinite(ratio) else "At least one label has no positive at all."
    )  # fmt: skip
    return Section("Labels", why, blocks)


def _texts(found: Audit) -> Section | None:
    if not found.reused:
        return None
    rows = [
        (own.text, own.cases, own.patients or "not known", ", ".join(own.splits) or "–")
        for own in found.reused
    ]
    why = (
        "The same words on several patients or splits. Normal reports are often alike; in "
        "retrieval each is then a right answer that counts as wrong."
    )
    head = ("Text (masked, cut)", Column("Cases"), "Patients", "Splits")
    return Section("Reused texts", why, _rows(head, rows))


def _identifiers(found: Audit) -> Section | None:
    if not found.identifiers:
        return None
    rows = [
        (
            s.kind,
            s.where,
            s.cases,
            ", ".join(str(r + 1) for r in s.rows[:8]),
            "   ".join(s.examples),
        )
        for s in found.identifiers
    ]
    why = (
        "Patterns only, shown masked (digits #, letters •); a warning to follow up, not a "
        "de-identification. Places and names without a title pass unseen."
    )
    head = ("Looks like", "In", Column("Cases"), "Positions (from 1)", "Masked")
    return Section("Words that may name a person", why, _rows(head, rows))


def _images(cases: CaseSet, found: Audit) -> Section | None:
    blocks: list[Block] = []
    if found.unreadable:
        rows = [(masked_name(bad.name), masked_name(bad.reason)) for bad in found.unreadable]
        blocks += _rows(("Cannot be read", "Why"), rows)
    if found.burned_in:
        many = f"{len(found.burned_in):,} of {found.opened:,} images may have text burned in."
        blocks += [Text(f"{many} {TEXT_IS}"), sheet(cases, found.burned_in, "may have text")]
    if found.flat:
        blocks += [Text(f"{len(found.flat):,} images have hardly any content:"),
                   sheet(cases, found.flat, "hardly any content")]  # fmt: skip
    return Section("Images", "", blocks) if blocks else None


def _rows(head: Sequence[Column | str], rows: Sequence[Sequence]) -> list[Block]:
    """Return a table of the first rows, the count of the others said."""
    more = len(rows) - ROWS_SHOWN
    notes = [f"{more:,} more are not shown; findings.json has the rows."] if more > 0 else []
    return [Table(head, rows[:ROWS_SHOWN], notes=notes)]
