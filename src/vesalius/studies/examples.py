"""Examples: cases that a method got right, missed, or raised a false alarm on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vesalius.core import CaseSet, ImageError, Predictions
from vesalius.reporting import Card, CardScore, Examples, figures
from vesalius.studies.outlines import outlines

SCORES_SHOWN = 4
LONGEST_TEXT = 320


def examples(cases: CaseSet, ledger: Predictions, *, method: str, count: int) -> Examples:
    """Return cards in turn of hits, misses and false alarms, the most telling first.

    A hit is a positive that its label's scores rank highest, a miss the positive that they rank
    lowest, a false alarm the negative that they rank highest. No case is shown twice.
    """
    cards: list[Card] = []
    seen: set[int] = set()
    for title, row, label in _telling(ledger):
        if len(cards) == count:
            break
        if row in seen:
            continue
        seen.add(row)
        card = _card(cases, ledger, row, f"{title}: {ledger.label_names[label]}")
        if card is not None:
            cards.append(card)
    return Examples(cards, f"Test cases as {method} sees them, chosen by rule: hit, miss, alarm.")


def _telling(ledger: Predictions) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, row, label): for each label in turn its best hit, worst miss, worst alarm."""
    shares_NC = np.full(ledger.scores_NC.shape, np.nan)
    for c in range(len(ledger.label_names)):
        known = np.flatnonzero(~np.isnan(ledger.scores_NC[:, c]))
        ranks = ledger.scores_NC[known, c].argsort().argsort()
        shares_NC[known, c] = ranks / max(len(known) - 1, 1)
    kinds = (("Right", 1.0, True), ("Missed", 1.0, False), ("False alarm", 0.0, True))
    order = np.argsort(-np.nansum(ledger.truths_NC, axis=0), kind="stable")
    for turn in range(len(kinds) * len(order)):
        kind, truth, highest = kinds[turn % len(kinds)]
        label = int(order[turn % len(order)])
        share_N = np.where(ledger.truths_NC[:, label] == truth, shares_NC[:, label], np.nan)
        if np.isnan(share_N).all():
            continue
        row = int(np.nanargmax(share_N) if highest else np.nanargmin(share_N))
        if (share_N[row] >= 0.5) == highest:
            yield kind, row, label


def _card(cases: CaseSet, ledger: Predictions, row: int, title: str) -> Card | None:
    case = cases.of_cases([ledger.case_ids[row]])[0]
    try:
        pixels = case.image.read()
    except ImageError:
        return None
    masks, boxes = outlines(case)
    image = figures.picture(pixels, mask=masks, boxes=boxes, side=256)
    scores_C = np.nan_to_num(ledger.scores_NC[row], nan=-np.inf)
    positive_C = ledger.truths_NC[row] == 1
    shown = np.argsort(-(scores_C + 10.0 * positive_C), kind="stable")[:SCORES_SHOWN]
    return Card(
        image,
        alt=f"Image of case {case.case_id}",
        title=title,
        text=_shortened(case.text or ""),
        scores=[
            CardScore(ledger.label_names[c], float(scores_C[c]), case.labels[ledger.label_names[c]])
            for c in shown
            if np.isfinite(scores_C[c])
        ],
    )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rsplit(" ", 1)[0] + " …"
