"""What is exchanged: cases, patients, pairs; and what cannot be."""

from math import comb, inf

import numpy as np
import pytest

from vesalius.core.errors import DataError
from vesalius.evaluation.two_sample.relabelling import relabellings


def drawn(sizes, groups=(None, None), paired=False, estimator="unbiased", permutations=200, seed=0):
    return relabellings(sizes, groups, paired, estimator, permutations, np.random.default_rng(seed))


PATIENTS = np.array([0, 0, 0, 1, 2, 2]), np.array(["a", "a", "b"])


@pytest.mark.parametrize(
    ("sizes", "groups", "paired"),
    [((5, 3), (None, None), False), ((6, 3), PATIENTS, False), ((4, 4), (None, None), True)],
)
def test_the_first_relabelling_is_what_was_observed(sizes, groups, paired):
    found = drawn(sizes, groups, paired)
    assert found.labels_NP[:, 0].tolist() == [1] * sizes[0] + [0] * sizes[1]
    assert found.labels_NP.shape == (sum(sizes), 201)
    assert set(np.unique(found.labels_NP)) == {0, 1}


def test_free_relabellings_keep_the_sizes_and_each_case_is_x_equally_often():
    found = drawn((5, 3), permutations=8000)
    assert (found.labels_NP.sum(0) == 5).all()
    # sd of a share of 8,000: √(5/8 · 3/8 / 8000) = 0.0054; 4 of them
    assert found.labels_NP[:, 1:].mean(1) == pytest.approx(5 / 8, abs=0.022)
    assert (found.units, found.possible) == ("cases", comb(8, 3))


def test_all_relabellings_of_few_cases_are_drawn():
    found = drawn((2, 2), permutations=300)
    assert len(np.unique(found.labels_NP, axis=1).T) == 6
    assert found.possible == 3, "x and y trade places: 6 relabellings, 3 of different MMD²"


def test_patients_stay_whole_and_their_number_is_kept():
    found = drawn((6, 3), PATIENTS)
    of_each = [found.labels_NP[rows] for rows in ([0, 1, 2], [3], [4, 5], [6, 7], [8])]
    assert all((rows == rows[0]).all() for rows in of_each)
    assert (sum(rows[0].astype(int) for rows in of_each) == 3).all()
    assert (found.units, found.possible) == ("patients", comb(5, 2))
    assert len(set(found.labels_NP.sum(0))) > 1, "patients with more cases make x larger"


def test_pairs_are_swapped_and_never_split():
    found = drawn((4, 4), paired=True, estimator="u")
    assert (found.labels_NP[:4] + found.labels_NP[4:] == 1).all()
    assert (found.units, found.possible) == ("pairs", 8)
    assert len(np.unique(found.labels_NP, axis=1).T) == 16
    x, y = found.opposite
    assert (x.tolist(), y.tolist()) == ([[0, 1, 2, 3]], [[4, 5, 6, 7]])


def test_the_pairs_of_a_patient_are_swapped_together():
    patients = np.array(["p", "q", "p", "r"])
    found = drawn((4, 4), (patients, patients), paired=True)
    assert (found.labels_NP[0] == found.labels_NP[2]).all()
    assert (found.units, found.possible) == ("patients' pairs", 4)
    assert found.unit_N[:4].tolist() == found.unit_N[4:].tolist() == [0, 1, 0, 2]


def test_the_u_estimator_pairs_cases_anew_in_each_relabelling():
    found = drawn((3, 3), estimator="u", permutations=50)
    x, y = found.opposite
    for p in range(51):
        assert set(x[p]) == set(np.flatnonzero(found.labels_NP[:, p]))
        assert set(x[p]) | set(y[p]) == set(range(6))
    assert (x[0].tolist(), y[0].tolist()) == ([0, 1, 2], [3, 4, 5])


def test_equal_seeds_draw_the_same_and_of_many_cases_there_is_no_end():
    assert (drawn((40, 30)).labels_NP == drawn((40, 30)).labels_NP).all()
    assert (drawn((40, 30)).labels_NP != drawn((40, 30), seed=1).labels_NP).any()
    assert drawn((40, 30)).possible == inf


@pytest.mark.parametrize(
    ("sizes", "groups", "paired", "estimator", "said"),
    [
        ((4, 4), (np.arange(4), None), False, "unbiased", "together or not at all"),
        ((4, 4), (np.arange(3), np.arange(4)), False, "unbiased", "groups_x has shape .3,."),
        ((4, 4), (np.arange(4), np.ones((4, 1))), False, "unbiased", "groups_y has shape .4, 1."),
        ((4, 4), ([0, 1, None, 3], [4, 5, 6, 7]), False, "unbiased", "1 cases of groups_x have no"),
        ((2, 2), ([0, 1], [np.nan, np.nan]), False, "unbiased", "2 cases of groups_y .* case 0"),
        ((4, 4), ([0, 1, 2, 3], [3, 4, 5, 6]), False, "unbiased", "1 patients .* both samples"),
        ((4, 2), ([0, 0, 0, 0], [1, 2]), False, "unbiased", "at least 2 patients"),
        ((2, 2), ([0, 1], [2, 3]), False, "u", "use 'unbiased'"),
        ((3, 4), (None, None), False, "u", "estimator 'u' needs as many .* not 3 and 4"),
        ((3, 4), (None, None), True, "unbiased", "a paired test needs as many"),
        ((2, 2), ([0, 1], [1, 0]), True, "unbiased", "must be equal: row i is one case"),
        ((2, 2), ([5, 5], [5, 5]), True, "unbiased", "at least 2 patients"),
    ],
)
def test_a_design_that_does_not_fit_is_told(sizes, groups, paired, estimator, said):
    with pytest.raises(DataError, match=said):
        drawn(sizes, groups, paired, estimator)
