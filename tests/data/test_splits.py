from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.core import ArrayImages, CaseSet, ChoiceError, DataError
from vesalius.data import split

SIDES = ["train", "validation", "test"]


def made(patients, labels_NC):
    ids = [f"case{i:04}" for i in range(len(patients))]
    return CaseSet(
        case_ids=np.array(ids),
        images=ArrayImages(np.zeros((len(ids), 1, 1), np.uint8), ids),
        labels_NC=labels_NC,
        label_names=tuple("ABC"[: labels_NC.shape[1]]),
        patient_ids=np.array([f"p{p}" for p in patients]),
        source="made",
    )


@st.composite
def cohorts(draw):
    """Draw cases of at least three patients, with labels of which some are unknown."""
    patients = [0, 1, 2, *draw(st.lists(st.integers(0, 30), max_size=60))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    labels_NC = rng.choice([0.0, 1.0, np.nan], (len(patients), 3), p=[0.7, 0.2, 0.1])
    return made(patients, labels_NC)


WAYS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 5),
        "stratify": st.sampled_from([None, "labels", "B"]),
        "test": st.sampled_from([0.1, 0.2, 0.4]),
        "validation": st.sampled_from([0.1, 0.3]),
    }
)


@settings(max_examples=60, deadline=None)
@given(cohorts(), WAYS)
def test_no_patient_lies_in_two_splits_and_every_case_in_one(cases, way):
    done = split(cases, **way)
    sides = defaultdict(set)
    for patient, side in zip(done.patient_ids, done.splits, strict=True):
        sides[patient].add(side)
    assert all(len(own) == 1 for own in sides.values())
    assert set(done.splits.tolist()) == set(SIDES)
    assert done.case_ids.tolist() == cases.case_ids.tolist()


@settings(max_examples=60, deadline=None)
@given(cohorts(), WAYS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(cases, way, random):
    order = np.arange(len(cases))
    random.shuffle(order)
    here = dict(zip(cases.case_ids, split(cases, **way).splits, strict=True))
    shuffled = cases.select(order)
    there = dict(zip(shuffled.case_ids, split(shuffled, **way).splits, strict=True))
    assert here == there


@settings(max_examples=20, deadline=None)
@given(cohorts(), WAYS)
def test_the_same_seed_gives_the_same_split(cases, way):
    np.testing.assert_array_equal(split(cases, **way).splits, split(cases, **way).splits)


@pytest.fixture
def cohort():
    """300 patients with 1 to 6 cases and three labels, the rarest on one patient in twenty."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(300), rng.integers(1, 7, 300))
    rates = rng.random((300, 3)) < [0.5, 0.2, 0.05]
    return made(patients, (rates[patients] & (rng.random((len(patients), 3)) < 0.8)).astype(float))


def test_another_seed_gives_another_split(cohort):
    assert (split(cohort, seed=0).splits != split(cohort, seed=1).splits).any()


@pytest.mark.parametrize("stratify", [None, "labels", "C"])
def test_the_shares_are_those_asked_for_within_a_patient_or_two(cohort, stratify):
    done = split(cohort, test=0.2, validation=0.1, stratify=stratify)
    assert abs((done.splits == "test").mean() - 0.2) < 12 / len(cohort)
    assert abs((done.splits == "validation").mean() - 0.1) < 12 / len(cohort)


def test_stratified_labels_are_spread_evenly(cohort):
    for stratify, labels in (("labels", [0, 1, 2]), ("C", [2])):
        done = split(cohort, test=0.2, validation=0.2, stratify=stratify)
        for label in labels:
            positives = np.nansum(cohort.labels_NC[:, label])
            for side, share in (("test", 0.2), ("validation", 0.2), ("train", 0.6)):
                own = np.nansum(done.split(side).labels_NC[:, label])
                assert abs(own - share * positives) <= 6  # the cases of one patient


def test_stratified_is_more_even_than_not(cohort):
    def unevenness(**way):
        done = split(cohort, **way)
        rates = [done.split(side).labels_NC.mean(0) for side in SIDES]
        return float(np.ptp(rates, axis=0).sum())

    plain = np.mean([unevenness(seed=seed) for seed in range(5)])
    even = np.mean([unevenness(seed=seed, stratify="labels") for seed in range(5)])
    assert even < plain / 3


def test_few_patients_still_fill_every_split():
    cases = made([0, 1, 2], np.ones((3, 1)))
    for stratify in (None, "labels"):
        assert sorted(split(cases, stratify=stratify).splits) == sorted(SIDES)


def test_too_few_patients_are_an_error():
    with pytest.raises(DataError, match="2 patients cannot be dealt to 3 splits"):
        split(made([0, 0, 1], np.zeros((3, 0))))


def test_a_share_of_nothing_draws_nothing(cohort):
    assert set(split(cohort, test=0.0).splits) == {"train", "validation"}
    assert set(split(cohort, test=0.0, validation=0.0).splits) == {"train"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.9, 0.2)])
def test_shares_that_leave_no_training_part_are_an_error(cohort, shares):
    with pytest.raises(DataError, match="leave no training part"):
        split(cohort, test=shares[0], validation=shares[1])


def test_without_patient_ids_nothing_is_split_unless_accepted(cases):
    unknown = cases(None, np.zeros((20, 1)), names=["A"])
    with pytest.raises(DataError, match=r"pass no_patient_id=True .*--no-patient-id on the comm"):
        split(unknown)
    done = split(unknown, no_patient_id=True)
    assert done.patient_ids is None
    assert [(done.splits == side).sum() for side in SIDES] == [14, 3, 3]


def test_some_blank_patient_ids_are_counted_and_stand_alone_where_accepted(cases):
    some = cases(["a"] * 5 + [""] * 10 + ["b"] * 5)
    with pytest.raises(DataError, match="10 of 20 cases have a patient id"):
        split(some)
    done = split(some, no_patient_id=True)
    assert len(set(done.splits[:5])) == len(set(done.splits[15:])) == 1
    assert len(set(done.splits[5:15])) > 1


def test_a_patient_named_as_a_case_is_not_mistaken_for_it(cases):
    some = cases(["case00001", "", "case00001", "x", "y", "z"])
    done = split(some, no_patient_id=True, seed=3)
    assert done.splits[0] == done.splits[2]


def test_wrong_choices_get_the_nearest(cohort):
    with pytest.raises(ChoiceError, match="did you mean 'patient'"):
        split(cohort, by="patients")
    with pytest.raises(ChoiceError, match="unknown split.stratify 'D'.*A, B, C, labels"):
        split(cohort, stratify="D")


def test_given_splits_are_kept_under_their_one_name(cases):
    given = cases(None, np.zeros((4, 0)), splits=np.array(["train", "val", "testing", "dev"]))
    assert split(given, by="given").splits.tolist() == ["train", "validation", "test", "validation"]


@pytest.mark.parametrize(("there", "lacking"), [("test", "validation"), ("validation", "test")])
def test_a_part_that_is_not_given_is_drawn_from_the_training_part_by_patient(
    cohort, there, lacking
):
    given = cohort.with_splits(np.where(np.arange(len(cohort)) < 100, there, "train"))
    done = split(given, by="given", test=0.2, validation=0.2)
    assert (done.splits[:100] == there).all()
    rest = done.splits[100:]
    assert set(rest) == {"train", lacking}
    assert abs((rest == lacking).mean() - 0.2) < 0.02
    drawn = set(done.patient_ids[100:][rest == lacking])
    assert not drawn & set(done.patient_ids[100:][rest == "train"])


def test_only_training_cases_given_both_parts_are_drawn(cohort):
    done = split(cohort.with_splits(["train"] * len(cohort)), by="given")
    assert set(done.splits) == set(SIDES)


def test_drawing_from_a_given_part_needs_patients_too(cases):
    given = cases(None, np.zeros((9, 0)), splits=np.array(["train"] * 6 + ["test"] * 3))
    with pytest.raises(DataError, match="no_patient_id=True"):
        split(given, by="given")
    assert (split(given, by="given", no_patient_id=True).splits == "validation").sum() == 1
    assert (split(given, by="given", validation=0.0).splits == given.splits).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, DataError, "the source has no splits"),
        (["train", "", "test"], DataError, "1 cases have no split"),
        (["test", "val", "test"], DataError, "no training part"),
        (["train", "fold2", "test"], ChoiceError, "split 'fold2'"),
    ],
)
def test_given_splits_that_cannot_be_kept_say_why(cases, given, error, message):
    splits = None if given is None else np.array(given)
    with pytest.raises(error, match=message):
        split(cases(["a", "b", "c"], splits=splits), by="given")


def test_the_real_films_are_split_by_patient(real_data):
    from vesalius.data import read

    cases = read("nih_cxr14", real_data("nih_cxr14"))
    done = split(cases, stratify="labels")
    sides = {side: set(done.split(side).patient_ids) for side in SIDES}
    assert sum(map(len, sides.values())) == 274
    assert len(done.split("test")) == pytest.approx(60, abs=6)
