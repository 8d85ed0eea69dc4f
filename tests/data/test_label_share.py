"""A share of the labels is nested, drawn by whole patients, and keeps a case of each state."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data import read, split
from vesalius.data.label_share import with_label_share


@pytest.fixture(scope="module")
def cases():
    return split(read("phantom", None, n=300, image_size=48), seed=0)


def train_of(cases):
    return cases.split("train")


def test_smaller_shares_lie_within_larger_ones(cases):
    drawn = [set(train_of(with_label_share(cases, s, seed=3)).case_ids) for s in (0.05, 0.2, 0.6)]
    assert drawn[0] < drawn[1] < drawn[2]


def test_whole_patients_are_drawn_and_the_other_splits_stay(cases):
    few = with_label_share(cases, 0.2, seed=0)
    kept = train_of(few)
    left = set(train_of(cases).case_ids) - set(kept.case_ids)
    others = train_of(cases).of_cases(sorted(left))
    assert not set(kept.patient_ids) & set(others.patient_ids)
    for name in ("validation", "test"):
        assert few.split(name).case_ids.tolist() == cases.split(name).case_ids.tolist()


def test_every_label_keeps_a_case_of_each_state_it_has(cases):
    few, all_of_them = (train_of(each).labels_NC for each in
                        (with_label_share(cases, 0.01, seed=1), cases))  # fmt: skip
    for state in (0, 1):
        assert ((few == state).any(0) == (all_of_them == state).any(0)).all()


def test_labels_are_spread_as_in_the_whole(cases):
    few, whole = (train_of(with_label_share(cases, s, seed=2)).labels_NC for s in (0.5, 1.0))
    assert np.abs(np.nanmean(few, 0) - np.nanmean(whole, 0)).max() < 0.06


def test_the_order_of_the_cases_changes_nothing(cases):
    shuffled = cases.select(np.random.default_rng(0).permutation(len(cases)))
    first, second = (
        set(train_of(with_label_share(own, 0.3, seed=4)).case_ids) for own in (cases, shuffled)
    )
    assert first == second


def test_labels_of_the_test_split_decide_nothing(cases):
    blind = np.where((cases.splits == "train")[:, None], cases.labels_NC, np.nan)
    from dataclasses import replace

    other = replace(cases, labels_NC=blind)
    drawn = [set(train_of(with_label_share(own, 0.1, seed=0)).case_ids) for own in (cases, other)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(cases, share):
    with pytest.raises(DataError, match="not a share"):
        with_label_share(cases, share, seed=0)
