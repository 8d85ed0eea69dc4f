"""HSIC of weighted cases."""

from itertools import permutations

import numpy as np
import pytest

from vesalius.evaluation.similarity import hsic
from vesalius.evaluation.similarity.hsic import hsic_biased, hsic_unbiased


def kernels(n=8, seed=0):
    rng = np.random.default_rng(seed)
    x_ND, y_NE = rng.normal(size=(n, 3)) + 1, rng.normal(size=(n, 2))
    return x_ND @ x_ND.T, y_NE @ y_NE.T


def rows_of(kernel_NN):
    return lambda rows: kernel_NN[rows]


def song(k, l):  # noqa: E741
    """Song et al. 2012, eq. 5, as printed."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    found = np.trace(k @ l) + one @ k @ one * (one @ l @ one) / ((n - 1) * (n - 2))
    return (found - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def slow(k, l, w):  # noqa: E741
    """Weighted means over tuples of distinct cases, one by one."""
    sums, n = np.zeros(3), range(len(k))
    weights = np.zeros(3)
    for i, j in permutations(n, 2):
        sums[0] += w[i] * w[j] * k[i, j] * l[i, j]
        weights[0] += w[i] * w[j]
    for i, j, q in permutations(n, 3):
        sums[1] += w[i] * w[j] * w[q] * k[i, j] * l[i, q]
        weights[1] += w[i] * w[j] * w[q]
    for i, j, q, r in permutations(n, 4):
        sums[2] += w[i] * w[j] * w[q] * w[r] * k[i, j] * l[q, r]
        weights[2] += w[i] * w[j] * w[q] * w[r]
    a, c, b = sums / weights
    return a - 2 * c + b


def test_equal_weights_give_the_formula_of_song():
    k, l = kernels()  # noqa: E741
    found = hsic_unbiased(np.ones((1, 8)), rows_of(k), rows_of(l))
    expected = song(k, l), song(k, k), song(l, l)
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-10)


def test_weights_are_sums_over_distinct_cases_one_by_one():
    k, l = kernels()  # noqa: E741
    weights_RN = np.array([[1.0, 2, 0, 3, 1, 0, 1, 1], [0, 1, 1, 1, 4, 0, 0, 0]])
    found = hsic_unbiased(weights_RN, rows_of(k), rows_of(l))
    for found_R, (a, b) in zip(found, ((k, l), (k, k), (l, l)), strict=True):
        expected = [slow(a, b, w_N) for w_N in weights_RN]
        np.testing.assert_allclose(found_R, expected, rtol=1e-10)


def test_the_biased_form_of_weights_is_that_of_repeated_rows():
    k, l = kernels()  # noqa: E741
    weights_N = np.array([1, 2, 0, 3, 1, 0, 1, 1])
    at = np.repeat(np.arange(8), weights_N)
    m = len(at)
    h = np.eye(m) - 1 / m
    expected = np.trace(k[np.ix_(at, at)] @ h @ l[np.ix_(at, at)] @ h) / m**2
    found = hsic_biased(weights_N[None] * 1.0, rows_of(k), rows_of(l))[0][0]
    assert found == pytest.approx(expected, rel=1e-10)


def test_fewer_than_four_distinct_cases_have_no_value():
    k, l = kernels()  # noqa: E741
    weights_RN = np.array([[5.0, 2, 1, 0, 0, 0, 0, 0]])
    assert np.isnan(hsic_unbiased(weights_RN, rows_of(k), rows_of(l))).all()


@pytest.mark.parametrize("form", [hsic_unbiased, hsic_biased])
def test_tiles_give_what_the_whole_gives(form, monkeypatch):
    k, l = kernels(20)  # noqa: E741
    weights_RN = np.random.default_rng(1).integers(0, 3, (6, 20)).astype(float)
    whole = form(weights_RN, rows_of(k), rows_of(l))
    monkeypatch.setattr(hsic, "TILE_BYTES", 8 * 20 * 3)
    np.testing.assert_allclose(form(weights_RN, rows_of(k), rows_of(l)), whole, rtol=1e-10)
