"""Orthogonal Procrustes."""

import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes

from vesalius.evaluation import procrustes
from vesalius.evaluation.similarity.rotation import _turned, _unit

QUICK = {"replicates": 0, "permutations": 0}


def slow(x_ND, y_NE):
    """The singular values as roots of the eigenvalues of a cross-covariance summed by loops."""
    x_ND, y_NE = x_ND - x_ND.mean(0), y_NE - y_NE.mean(0)
    cross_DE = sum(np.outer(a, b) for a, b in zip(x_ND, y_NE, strict=True))
    roots = np.sqrt(np.linalg.eigvalsh(cross_DE.T @ cross_DE).clip(0))
    return 1 - roots.sum() ** 2 / (np.sum(x_ND**2) * np.sum(y_NE**2))


def test_a_turned_and_scaled_copy_leaves_nothing(make_pair):
    x_ND, _ = make_pair()
    turn_DD = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    found = procrustes(x_ND, 3 * x_ND @ turn_DD + 2, replicates=50, permutations=99)
    np.testing.assert_allclose([found.value, found.low, found.high], 0, atol=1e-10)
    assert found.p_value == 0.01


def test_values_equal_a_slow_loop_and_scipy(make_pair):
    x_ND, y_NE = make_pair()
    found = procrustes(x_ND, y_NE, **QUICK).value
    assert found == pytest.approx(slow(x_ND, y_NE), abs=1e-10)
    padded_ND = np.column_stack([y_NE, np.zeros(40)])  # scipy wants equal widths
    assert found == pytest.approx(scipy_procrustes(x_ND, padded_ND)[2], abs=1e-10)


def test_more_features_than_cases_give_the_same_residual_as_scipy(make_pair):
    x_ND, y_NE = make_pair(n=12, d=30, e=30)
    found = procrustes(x_ND, y_NE, replicates=20, permutations=20)
    assert found.value == pytest.approx(scipy_procrustes(x_ND, y_NE)[2], abs=1e-10)
    assert found.low <= found.value <= found.high


def test_the_null_is_the_residual_of_shuffled_rows(make_pair):
    x_ND, y_NE = make_pair()
    found = procrustes(x_ND, y_NE, replicates=0, permutations=5)
    draw = np.random.default_rng(0).spawn(2)[1]
    orders = [draw.permutation(40) for _ in range(5)]
    expected = [slow(x_ND, y_NE[order_N]) for order_N in orders]
    np.testing.assert_allclose(found.null_P, expected, atol=1e-7)


def test_weights_are_repeated_rows_under_the_rotation_of_all(make_pair):
    x_ND, y_NE = (_unit(v - v.mean(0)) for v in make_pair())
    weights_N = np.random.default_rng(1).integers(0, 3, 40)
    left, _, right = np.linalg.svd(x_ND.T @ y_NE, full_matrices=False)
    at = np.repeat(np.arange(40), weights_N)
    a, b = x_ND[at] @ left @ right, y_NE[at]
    a, b, c = a - a.mean(0), b - b.mean(0), x_ND[at] - x_ND[at].mean(0)
    expected = 1 - np.sum(a * b) ** 2 / (np.sum(c**2) * np.sum(b**2))
    found = _turned(x_ND, y_NE)(weights_N[None] * 1.0)[0]
    assert found == pytest.approx(expected, abs=1e-10)


def test_constant_features_have_no_value_and_say_so(make_pair, recwarn):
    found = procrustes(np.zeros((40, 3)), make_pair()[1])
    assert np.isnan([found.value, found.low, found.p_value]).all()
    assert found.notes == ("undefined: every case is the same in x",)
    assert not recwarn.list
