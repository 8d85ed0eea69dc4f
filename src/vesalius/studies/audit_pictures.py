"""The audit's pictures: pairs beside each other, and sheets, for a person to judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vesalius.core import CaseSet, ImageError
from vesalius.data.audit import Pair, masked_name
from vesalius.reporting import Block, Card, Examples, figures

PAIRS_SHOWN, IMAGES_SHOWN = 12, 18


def sheet(cases: CaseSet, rows: Sequence[int], what: str) -> Block:
    """Draw some of the rows, spread evenly."""
    step = max(len(rows) // IMAGES_SHOWN, 1)
    images, captions = [], []
    for row in rows[::step][:IMAGES_SHOWN]:
        images.append(cases.images[row])
        captions.append(shown_id(cases, row))
    shown = f"{len(images):,} of {len(rows):,} that {what}." if len(rows) > len(images) else ""
    return figures.contact_sheet(images, captions, caption=shown)


def pair_cards(cases: CaseSet, other: CaseSet, pairs: Sequence[Pair]) -> list[Block]:
    """Draw the first pairs side by side, with what they share and where they differ."""
    cards = []
    for pair in pairs[:PAIRS_SHOWN]:
        try:
            image = figures.pair(cases.images[pair.first], other.images[pair.second])
        except ImageError:
            continue
        names = shown_id(cases, pair.first), shown_id(other, pair.second)
        same = "the same pixels" if pair.exact else (
            f"one picture: pixels {pair.pixels:.3f}, detail {pair.detail:.3f}"
        )  # fmt: skip
        words = [same, *_differences(cases, other, pair)]
        cards.append(Card(image, f"{names[0]} beside {names[1]}", " ↔ ".join(names),
                          "\n\n".join(words)))  # fmt: skip
    if not cards:
        return []
    shown = f"{len(cards):,} of {len(pairs):,} pairs"
    across = "across splits and at odds first, then " if cases is other else ""
    order = f"{across}the most doubtful first"
    caption = f"{shown}: {order}." if len(pairs) > len(cards) else ""
    return [Examples(cards, caption, pairs=True)]


def _differences(cases: CaseSet, other: CaseSet, pair: Pair) -> Iterable[str]:
    if cases.splits is not None and other.splits is not None:
        splits = cases.splits[pair.first], other.splits[pair.second]
        yield f"{splits[0]} and {splits[1]}" if splits[0] != splits[1] else f"both {splits[0]}"
    if cases is other and cases.label_names:
        first, second = (_positive(cases, row) for row in (pair.first, pair.second))
        if first != second:
            yield f"labels: {first} and {second}"
    if cases is other and cases.patient_ids is not None:
        same = cases.patient_ids[pair.first] == cases.patient_ids[pair.second]
        yield "one patient" if same else "two patients"


def _positive(cases: CaseSet, row: int) -> str:
    states = zip(cases.label_names, cases.labels_NC[row], strict=True)
    return ", ".join(name for name, state in states if state == 1) or "none"


def shown_id(cases: CaseSet, row: int) -> str:
    """Return a case id without what may name a person."""
    return masked_name(cases.case_ids[row])
