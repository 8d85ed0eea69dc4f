"""What all measures of similarity share: checks, intervals, permutation tests, words."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import Similarity, cka, knn_overlap, procrustes, rsa
from vesalius.evaluation.similarity import inference
from vesalius.evaluation.similarity.inference import shuffled_products, shuffles

MEASURES = [cka, procrustes, knn_overlap, rsa]
SMALL = {"replicates": 80, "permutations": 99}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_shared_part_is_seen_and_its_value_lies_in_its_interval(measure, make_pair):
    found = measure(*make_pair(n=60, shared=2.0), **SMALL)
    assert found.low < found.value < found.high
    assert found.p_value == 0.01
    assert found.on_floor
    assert found.permutations == 99


@pytest.mark.parametrize("measure", MEASURES)
def test_equal_seeds_give_equal_results(measure, make_pair):
    first, second, other = (measure(*make_pair(), rng=seed, **SMALL) for seed in (5, 5, 6))
    assert str(first) == str(second)
    assert (first.low, first.high) == (second.low, second.high)
    np.testing.assert_array_equal(first.null_P, second.null_P)
    assert not np.array_equal(first.null_P, other.null_P)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_the_cases_and_of_their_memory_does_not_matter(measure, make_pair):
    x_ND, y_NE = make_pair()
    order_N = np.random.default_rng(1).permutation(40)
    value = measure(x_ND, y_NE, replicates=0, permutations=0).value
    turned = [np.asfortranarray(v[order_N]) for v in (x_ND, y_NE)]
    assert measure(*turned, replicates=0, permutations=0).value == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
def test_under_the_null_p_keeps_its_level(measure, make_pair):
    rejected = [
        measure(*make_pair(n=24, d=3, e=3, shared=0, seed=s), replicates=0, permutations=59).p_value
        <= 0.05
        for s in range(300)
    ]
    assert 0.02 <= np.mean(rejected) <= 0.09


@pytest.mark.parametrize("measure", MEASURES)
def test_with_groups_patients_are_the_units(measure, make_pair):
    x_ND, y_NE = (np.repeat(v, 3, axis=0) for v in make_pair(n=30))
    noise = np.random.default_rng(2)
    x_ND, y_NE = (v + 0.1 * noise.normal(size=v.shape) for v in (x_ND, y_NE))
    groups_N = np.repeat(np.arange(30), 3)
    alone, grouped = measure(x_ND, y_NE, **SMALL), measure(x_ND, y_NE, groups=groups_N, **SMALL)
    assert (grouped.clusters, grouped.n) == (30, 90)
    assert grouped.high - grouped.low > alone.high - alone.low
    assert "p by shuffling groups of one size" in grouped.notes
    assert "clusters=30" in str(grouped)


def test_groups_move_whole_to_places_of_their_size():
    clusters_N = np.array([0, 1, 0, 1, 2, 3, 4, 4, 4])
    order_PN, note = shuffles(clusters_N, 50, np.random.default_rng(0), grouped=True)
    assert note == "p by shuffling groups of one size, 3 cases cannot move, only 4 orders exist"
    for order_N in order_PN:
        assert sorted(order_N) == list(range(9))
        moved_N = clusters_N[order_N]
        assert moved_N[0] == moved_N[2]
        assert moved_N[1] == moved_N[3]
        assert (order_N[6:] == [6, 7, 8]).all()
    assert len(np.unique(order_PN, axis=0)) == 4


def test_where_no_group_can_move_there_is_no_p(make_pair):
    found = cka(*make_pair(n=10), groups=np.repeat([0, 1, 2, 3], [1, 2, 3, 4]), replicates=50)
    assert np.isnan(found.p_value)
    assert found.permutations == 0
    assert not found.on_floor
    assert "no p-value: no two groups have one size" in found.notes


def test_a_single_patient_has_no_interval(make_pair):
    found = rsa(*make_pair(), groups=np.zeros(40), **SMALL)
    assert np.isnan(found.low)
    assert "no interval from 1 patient" in found.notes
    assert "[no interval]" in str(found)


def test_shuffled_sums_equal_a_double_loop_in_any_tile(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 9, 9))
    order_PN = np.stack([rng.permutation(9) for _ in range(4)])
    expected = [sum(a[i, j] * b[o[i], o[j]] for i in range(9) for j in range(9)) for o in order_PN]
    np.testing.assert_allclose(shuffled_products(a, b, order_PN), expected, rtol=1e-10)
    monkeypatch.setattr(inference, "TILE_BYTES", 8 * 9 * 2)
    np.testing.assert_allclose(shuffled_products(a, b, order_PN), expected, rtol=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
def test_tables_that_cannot_be_paired_are_refused(measure, make_pair):
    x_ND, y_NE = make_pair()
    name = measure.__name__
    with pytest.raises(DataError, match=f"{name}: x has 40 rows and y has 39"):
        measure(x_ND, y_NE[1:])
    with pytest.raises(DataError, match=rf"{name}: y must be N cases by D .* shape \(40,\)"):
        measure(x_ND, y_NE[:, 0])
    with pytest.raises(DataError, match=f"{name}: x must hold real numbers, not complex128"):
        measure(x_ND + 1j, y_NE)
    with pytest.raises(DataError, match=f"{name}: 2 cases are too few"):
        measure(x_ND[:2], y_NE[:2])
    with pytest.raises(DataError, match=r"groups has shape \(3,\); 40 cases need"):
        measure(x_ND, y_NE, groups=[1, 2, 3])
    for bad in (np.nan, np.inf):
        y_NE[7, 1] = bad
        with pytest.raises(DataError, match="y is not finite in 1 of 40 rows, first 7"):
            measure(x_ND, y_NE)


def test_a_score_tells_the_protocol_p_and_its_floor(make_pair):
    found = cka(*make_pair(shared=3.0), **SMALL)
    score = found.as_score()
    assert (score.name, score.protocol) == ("cka_linear_debiased", "cka_linear_debiased/v1")
    assert (score.value, score.low, score.high) == (found.value, found.low, found.high)
    assert "p=0.01 (the floor of 99 permutations)" in score.note
    assert str(found) == f"{score}, p=0.01 (the floor of 99 permutations)"
    assert not Similarity("cka", 0.1, 0, 1, 9, 9, 0.02, np.zeros(99)).on_floor
