"""Examples: cases that a method ranks as the truth would, and cases that it ranks against it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vesalius.core import CaseSet, ImageError, Predictions
from vesalius.reporting import Card, CardScore, Examples, figures
from vesalius.studies.outlines import legend, outlines

SCORES_SHOWN = 4
LONGEST_TEXT = 320


def examples(cases: CaseSet, ledger: Predictions, *, method: str, count: int) -> Examples:
    """Return, for each label in turn, what its scores rank most rightly and most wrongly.

    These are the positive that they rank highest, the positive that they rank lowest and the
    negative that they rank highest. Ranks need no threshold, so a card says nothing of decisions.
    No case is shown twice.
    """
    cards: list[Card] = []
    seen: set[int] = set()
    for title, row, label in _telling(ledger):
        if len(cards) == count:
            break
        if row in seen:
            continue
        seen.add(row)
        card = _card(cases, ledger, row, label, title)
        if card is not None:
            cards.append(card)
    caption = (
        f"Test cases as {method} ranks them, chosen by rule. For each finding in turn: of the "
        "cases that have it, the one that scores highest and the one that scores lowest; of those "
        "that have it not, the one that scores highest. High and low are ranks among the test "
        "cases, not decisions at a threshold."
    )
    return Examples(cards, caption)


def _telling(ledger: Predictions) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, row, label); a case in the wrong half of the ranks is not of its kind."""
    shares_NC = np.full(ledger.scores_NC.shape, np.nan)
    for c in range(len(ledger.label_names)):
        known = np.flatnonzero(~np.isnan(ledger.scores_NC[:, c]))
        ranks = ledger.scores_NC[known, c].argsort().argsort()
        shares_NC[known, c] = ranks / max(len(known) - 1, 1)
    kinds = (
        ("present, ranked high", 1.0, True),
        ("present, ranked low", 1.0, False),
        ("absent, ranked high", 0.0, True),
    )
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


def _card(cases: CaseSet, ledger: Predictions, row: int, label: int, kind: str) -> Card | None:
    case = cases.of_cases([ledger.case_ids[row]])[0]
    try:
        pixels = case.image.read()
    except ImageError:
        return None
    masks, boxes = outlines(case)
    return Card(
        figures.picture(pixels, mask=masks, boxes=boxes, side=256),
        alt=f"Image of case {case.case_id}",
        title=f"{ledger.label_names[label]}: {kind}",
        text=_shortened(case.text or ""),
        scores=_scores(ledger, row, label),
        legend=legend(masks, boxes),
    )


def _scores(ledger: Predictions, row: int, label: int) -> list[CardScore]:
    """Return the label that the card is about, then what is present, then the highest scores."""
    scores_C, truths_C = ledger.scores_NC[row], ledger.truths_NC[row]
    order = np.lexsort((-scores_C, truths_C != 1, np.arange(len(scores_C)) != label))
    known = [int(c) for c in order if not np.isnan(scores_C[c])]
    return [
        CardScore(
            ledger.label_names[c],
            float(scores_C[c]),
            None if np.isnan(truths_C[c]) else bool(truths_C[c] == 1),
        )
        for c in known[:SCORES_SHOWN]
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rsplit(" ", 1)[0] + " …"
