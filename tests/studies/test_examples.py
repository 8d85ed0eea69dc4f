"""Cards say what is true of the case that they show."""

import numpy as np
import pytest

from vesalius.core import ArrayImages, Box, CaseSet, Predictions, Regions
from vesalius.studies.examples import examples

N, LABELS = 40, tuple("ABCDEFG")


@pytest.fixture
def ledger():
    """Seven labels; none is ever scored above 0.3, as a cautious model does."""
    rng = np.random.default_rng(0)
    truths_NC = (rng.random((N, len(LABELS))) < 0.3).astype(float)
    scores_NC = 0.3 * rng.random(truths_NC.shape)
    return Predictions(scores_NC, truths_NC, LABELS, np.array([f"{i:02}" for i in range(N)]))


@pytest.fixture
def shown(ledger):
    boxes = [(Box("A", 1, 1, 4, 4), Box("A", 2, 2, 4, 4), Box("B", 0, 0, 3, 3))] * N
    cases = CaseSet(
        case_ids=ledger.case_ids,
        images=ArrayImages(np.zeros((N, 8, 8), np.uint8), list(ledger.case_ids)),
        labels_NC=ledger.truths_NC,
        label_names=LABELS,
        regions=Regions(boxes, None),
    )
    return examples(cases, ledger, method="probe", count=12)


def test_the_label_of_the_title_is_the_first_of_the_scores(shown):
    assert len(shown.cards) == 12
    for card in shown.cards:
        assert card.title.startswith(f"{card.scores[0].label}: ")


def test_a_title_says_truth_and_rank_and_claims_no_decision(shown, ledger):
    for card in shown.cards:
        first = card.scores[0]
        truth, rank = card.title.partition(": ")[2].split(", ")
        assert truth == ("present" if first.truth else "absent")
        median = np.median(ledger.scores_NC[:, LABELS.index(first.label)])
        assert rank == ("ranked high" if first.score > median else "ranked low")
    assert "not decisions at a threshold" in shown.caption


def test_what_is_framed_is_named(shown):
    assert shown.cards[0].legend == "Blue box: A (2), B"
