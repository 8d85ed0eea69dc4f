"""Representational similarity."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from vesalius.evaluation import rsa
from vesalius.evaluation.similarity.distance_ranks import rank_correlation

QUICK = {"replicates": 0, "permutations": 0}


def slow(x_ND, y_NE):
    """Ranks by counting, the correlation by its definition."""
    ranks = []
    for v in (x_ND, y_NE):
        d = [np.linalg.norm(v[i] - v[j]) for i in range(len(v)) for j in range(i + 1, len(v))]
        d = np.round(d, 9)
        ranks.append(np.array([np.sum(d < a) + np.sum(d == a) / 2 for a in d]))
    f, g = (r - r.mean() for r in ranks)
    return np.sum(f * g) / np.sqrt(np.sum(f**2) * np.sum(g**2))


def test_a_turned_and_scaled_copy_ranks_all_pairs_alike(make_pair):
    x_ND, _ = make_pair()
    turn_DD = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    found = rsa(x_ND, 3 * x_ND @ turn_DD + 2, replicates=50, permutations=99)
    np.testing.assert_allclose([found.value, found.low, found.high], 1, atol=1e-10)
    assert found.p_value == 0.01


def test_values_equal_a_slow_loop_and_scipy(make_pair):
    x_ND, y_NE = make_pair()
    found = rsa(x_ND, y_NE, **QUICK).value
    assert found == pytest.approx(slow(x_ND, y_NE), abs=1e-10)
    assert found == pytest.approx(spearmanr(pdist(x_ND), pdist(y_NE)).statistic, abs=1e-10)


def test_equal_distances_share_their_rank():
    rng = np.random.default_rng(0)
    x_ND, y_NE = rng.integers(0, 3, (20, 2)), rng.integers(0, 3, (20, 3))
    assert rsa(x_ND, y_NE, **QUICK).value == pytest.approx(slow(x_ND, y_NE), abs=1e-10)


def test_the_null_is_the_correlation_of_shuffled_rows(make_pair):
    x_ND, y_NE = make_pair(n=20)
    found = rsa(x_ND, y_NE, replicates=0, permutations=3)
    draw = np.random.default_rng(0).spawn(2)[1]
    expected = [slow(x_ND, y_NE[draw.permutation(20)]) for _ in range(3)]
    np.testing.assert_allclose(found.null_P, expected, atol=1e-10)


def test_influence_is_what_a_little_more_weight_on_a_pair_does():
    rng = np.random.default_rng(0)
    x_M, y_M = rng.integers(0, 9, (2, 60)).astype(float)
    rho, influence_M, _, _ = rank_correlation(x_M, y_M)

    def weighted(w_M):
        w_M = w_M / w_M.sum()
        f, g = (
            np.array([w_M[v < a].sum() + w_M[v == a].sum() / 2 for a in v]) - 0.5
            for v in (x_M, y_M)
        )
        return (w_M @ (f * g)) / np.sqrt((w_M @ f**2) * (w_M @ g**2))

    assert rho == pytest.approx(weighted(np.ones(60)), abs=1e-12)
    for pair in (0, 7, 31):
        step = 1e-6 * 60 * np.eye(60)[pair]
        slope = (weighted(np.ones(60) + step) - weighted(np.ones(60) - step)) / 2e-6
        assert influence_M[pair] - rho == pytest.approx(slope, abs=1e-5)


def test_constant_features_have_no_value_and_say_so(make_pair, recwarn):
    x_ND, y_NE = make_pair()
    assert "the same in x" in rsa(np.ones((40, 3)), y_NE).notes[0]
    assert "equally far apart" in rsa(x_ND, np.eye(40)).notes[0]
    assert not recwarn.list
