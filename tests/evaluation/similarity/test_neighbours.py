"""Mutual nearest neighbours."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import knn_overlap
from vesalius.evaluation.similarity import neighbours
from vesalius.evaluation.similarity.neighbours import neighbourhoods, overlap

QUICK = {"replicates": 0, "permutations": 0}


def slow(x_ND, y_NE, k):
    shared = 0
    for i in range(len(x_ND)):
        near = []
        for v in (x_ND, y_NE):
            cosines = [v[i] @ row / np.linalg.norm(v[i]) / np.linalg.norm(row) for row in v]
            others = [j for j in range(len(v)) if j != i]
            near.append(set(sorted(others, key=lambda j: -cosines[j])[:k]))
        shared += len(near[0] & near[1])
    return shared / len(x_ND) / k


def test_a_turned_and_scaled_copy_shares_all_neighbours(make_pair):
    x_ND, _ = make_pair()
    turn_DD = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    found = knn_overlap(x_ND, 3 * x_ND @ turn_DD, k=5, permutations=99)
    assert (found.value, found.low, found.high, found.p_value) == (1, 1, 1, 0.01)


def test_influence_is_what_leaving_the_case_out_does(make_pair):
    x_ND, y_NE = make_pair(n=25)
    near = neighbourhoods(x_ND, 4), neighbourhoods(y_NE, 4)
    value, influence_N = overlap(x_ND, y_NE, *near)
    left_out = [slow(np.delete(x_ND, j, axis=0), np.delete(y_NE, j, axis=0), 4) for j in range(25)]
    pseudo_N = 25 * value - 24 * np.array(left_out)
    expected_N = pseudo_N - pseudo_N.mean() + value
    np.testing.assert_allclose(influence_N, expected_N, atol=1e-10)


@pytest.mark.parametrize("k", [1, 5, 38])
def test_values_equal_a_slow_loop_whatever_the_tile(k, make_pair, monkeypatch):
    x_ND, y_NE = make_pair()
    expected = slow(x_ND, y_NE, k)
    assert knn_overlap(x_ND, y_NE, k=k, **QUICK).value == pytest.approx(expected, abs=1e-10)
    monkeypatch.setattr(neighbours, "TILE_BYTES", 1)
    assert knn_overlap(x_ND, y_NE, k=k, **QUICK).value == pytest.approx(expected, abs=1e-10)


def test_the_null_is_the_overlap_of_shuffled_rows_and_averages_to_chance(make_pair):
    x_ND, y_NE = make_pair()
    found = knn_overlap(x_ND, y_NE, k=5, replicates=0, permutations=400)
    draw = np.random.default_rng(0).spawn(2)[1]
    expected = [slow(x_ND, y_NE[draw.permutation(40)], 5) for _ in range(3)]
    np.testing.assert_allclose(found.null_P[:3], expected, atol=1e-12)
    assert found.null_P.mean() == pytest.approx(5 / 39, abs=0.01)
    assert found.notes == ("chance is 0.128",)


def test_copies_of_a_case_are_told_apart_by_their_place_on_both_sides(make_pair):
    x_ND, y_NE = (np.repeat(v, 4, axis=0) for v in make_pair(n=10))
    assert knn_overlap(x_ND, x_ND @ np.eye(6)[::-1], k=2, **QUICK).value == 1
    assert knn_overlap(x_ND, y_NE, k=2, **QUICK).value == 1  # the copies are the nearest in both


def test_k_must_leave_a_case_out(make_pair):
    for k in (0, 39):
        with pytest.raises(DataError, match=f"k {k} must lie from 1 to 38"):
            knn_overlap(*make_pair(), k=k)


def test_constant_features_have_no_value_and_zero_rows_do_no_harm(make_pair, recwarn):
    x_ND, y_NE = make_pair()
    assert np.isnan(knn_overlap(x_ND, np.ones((40, 2))).value)
    x_ND[3] = 0
    assert 0 <= knn_overlap(x_ND, y_NE, **QUICK).value <= 1
    assert not recwarn.list
