"""Which text an image meets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vesalius.core import ChoiceError, DataError, TrainingError
from vesalius.training.pairing import ALONE, paired, partly_paired


def draws(pairing, seed=0):
    rows = np.arange(len(pairing.cases))
    return pairing.draw(rows, torch.Generator().manual_seed(seed))


def without_texts(cases, rows):
    texts = cases.texts.copy()
    texts[rows] = None
    return replace(cases, texts=texts)


def test_every_image_has_its_own_text(make_cohort):
    cases = without_texts(make_cohort(12), [3, 5])
    pairing = paired(cases, "train")
    assert len(pairing.cases) == len(pairing.texts) == 10
    assert draws(pairing).tolist() == list(range(10))
    assert list(pairing.texts) == list(pairing.cases.texts)


def test_the_pairs_of_a_smaller_share_are_among_those_of_a_larger(make_cohort):
    cases, before = make_cohort(40), set()
    for pairs in (0.1, 0.3, 1.0):
        ids = set(partly_paired(cases, pairs=pairs, decoupled=False, seed=3).cases.case_ids)
        assert len(ids) == round(40 * pairs)
        assert before <= ids
        before = ids
    other = partly_paired(cases, pairs=0.3, decoupled=False, seed=4).cases.case_ids
    assert set(other) != set(
        partly_paired(cases, pairs=0.3, decoupled=False, seed=3).cases.case_ids
    )


def test_decoupled_images_meet_texts_that_lost_their_image_and_pairs_stay(make_cohort):
    pairing = partly_paired(make_cohort(40), pairs=0.25, decoupled=True, seed=0)
    alone = pairing.own_N == ALONE
    assert alone.sum() == 30
    assert len(pairing.cases) == len(pairing.texts) == 40
    first, second = draws(pairing), draws(pairing, 1)
    assert (first[~alone] == np.flatnonzero(~alone)).all()
    assert set(first[alone]) <= set(np.flatnonzero(alone))
    assert (first != second).any()
    assert (draws(pairing) == first).all()


def test_an_image_that_never_had_a_text_learns_decoupled(make_cohort):
    cases = without_texts(make_cohort(12), [0, 7])
    pairing = partly_paired(cases, pairs=1.0, decoupled=True, seed=0)
    assert len(pairing.cases) == 12
    assert len(pairing.texts) == 10
    assert np.flatnonzero(pairing.own_N == ALONE).tolist() == [0, 7]
    found = draws(pairing)
    for row in (1, 6, 8, 11):
        assert pairing.texts[found[row]] == cases.texts[row]
    assert np.isnan(pairing.text_findings_TF).sum() <= np.isnan(cases.labels_NC).sum()


def test_equal_texts_form_a_group_whatever_their_spaces_and_capitals(make_cohort):
    cases = make_cohort(8)
    cases.texts[:4] = ["Clear  lungs.", "clear lungs.", "Edema.", "clear lungs. "]
    groups = paired(cases, "train").groups_T
    assert groups[0] == groups[1] == groups[3] != groups[2]


def test_the_healthy_are_alike_where_no_label_says_so(make_cohort):
    cases = make_cohort(4)
    cases.labels_NC[:] = [[0, 0, 0, 0], [0, np.nan, 0, 0], [1, 0, 0, 0], [np.nan] * 4]
    findings = paired(replace(cases, label_names=("a", "b", "c", "d")), "train").image_findings_NF
    np.testing.assert_array_equal(findings[:, 4], [1, 1, 0, np.nan])
    named = replace(cases, label_names=("a", "b", "c", "No Finding"))
    assert paired(named, "train").image_findings_NF.shape == (4, 4)


def test_a_group_may_also_be_an_attribute_or_the_findings(make_cohort):
    cases = make_cohort(4)
    cases.texts[:] = ["a", "b", "b", "c"]
    studies = replace(cases, attributes={"study_id": np.array(["1", "1", "2", "3"])})
    groups = paired(studies, "train", group_by="study_id").groups_T
    assert groups[0] == groups[1] == groups[2] != groups[3]  # by study, and on by text
    cases.labels_NC[:] = [[1, 0, 0, 0], [1, np.nan, 0, 0], [np.nan] * 4, [np.nan] * 4]
    by_findings = paired(cases, "train", group_by="findings").groups_T
    assert by_findings[0] == by_findings[1]
    assert len(set(by_findings.tolist())) == 3  # what is unknown is like nobody
    with pytest.raises(ChoiceError, match="study_id"):
        paired(studies, "train", group_by="study")
    bare = replace(cases, label_names=(), labels_NC=np.empty((4, 0)))
    with pytest.raises(DataError, match="no labels"):
        paired(bare, "train", group_by="findings")


@pytest.mark.parametrize(("pairs", "decoupled"), [(0.0, False), (1.1, True), (-0.1, True)])
def test_a_share_that_is_none_is_refused(pairs, decoupled, make_cohort):
    with pytest.raises(TrainingError, match="not a share"):
        partly_paired(make_cohort(), pairs=pairs, decoupled=decoupled, seed=0)


def test_a_share_that_leaves_no_contrast_is_refused(make_cohort):
    with pytest.raises(TrainingError, match="too few"):
        partly_paired(make_cohort(10), pairs=0.1, decoupled=False, seed=0)


def test_cases_without_any_text_are_refused(make_cohort):
    with pytest.raises(DataError, match="no texts"):
        partly_paired(replace(make_cohort(10), texts=None), pairs=0, decoupled=True, seed=0)
