"""Kernels beside scikit-learn's, SciPy's and torch-fidelity's; what a median and a grid are."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from vesalius.core.errors import DataError
from vesalius.evaluation.two_sample.kernels import (
    GRID,
    KERNELS,
    SUBSAMPLE,
    alike,
    alike_to_self,
    apart,
    apart_each,
    fit,
)

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(13, 5)), rng.normal(0.3, 2, size=(9, 5))


def values(kernel, x, y, sigma=1.3):
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    return alike(kernel, apart(kernel, left, right), sigma, x.shape[1]).numpy()


def fitted(kernel, z, bandwidth="median", gamma=None, seed=0):
    draws = np.random.default_rng(seed)
    return fit(kernel, torch.from_numpy(z), bandwidth=bandwidth, gamma=gamma, rng=draws)


@pytest.mark.parametrize(
    ("kernel", "peer"),
    [
        ("rbf", lambda x, y: rbf_kernel(x, y, gamma=0.5 / 1.3**2)),
        ("laplace", lambda x, y: laplacian_kernel(x, y, gamma=1 / 1.3)),
        ("energy", lambda x, y: -cdist(x, y)),
        ("linear", lambda x, y: x @ y.T),
        # torch-fidelity's KID: (gamma · x yᵀ + coef0)^degree with 1 / D, 1 and 3
        ("polynomial", lambda x, y: (1 / x.shape[1] * (x @ y.T) + 1) ** 3),
    ],
)
def test_a_kernel_is_its_peers(kernel, peer):
    np.testing.assert_allclose(values(kernel, X, Y), peer(X, Y), rtol=1e-12, atol=1e-12)


def test_kernels_of_two_points_by_hand():
    x, y = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    assert values("rbf", x, y, 5.0).item() == pytest.approx(np.exp(-0.5), abs=1e-15)
    assert values("laplace", x, y, 7.0).item() == pytest.approx(np.exp(-1), abs=1e-15)
    assert values("energy", x, y).item() == -5
    assert values("linear", x + 1, y).item() == 7
    assert values("polynomial", x + 1, y).item() == pytest.approx(4.5**3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_rows_opposite_and_a_row_itself_are_the_matrix_diagonal(kernel):
    x, y = torch.from_numpy(X[:9]), torch.from_numpy(Y)
    each = alike(kernel, apart_each(kernel, x, y), 1.3, 5)
    np.testing.assert_allclose(each, values(kernel, X[:9], Y).diagonal(), rtol=1e-12)
    own = values(kernel, X, X).diagonal()
    np.testing.assert_allclose(alike_to_self(kernel, torch.from_numpy(X)), own, atol=1e-12)


@pytest.mark.parametrize("clustered", [False, True])
def test_distances_of_close_cases_are_right_in_float32(clustered):
    """By products alone they would be off by the root of the rounding: 3e-4 times the norm."""
    draws = np.random.default_rng(1)
    x = draws.normal(size=(60, 64)).astype(np.float32)
    y = (x if clustered else x[:2]) + np.float32(1e-4)
    y = np.repeat(y[:1], 60, axis=0) if clustered else np.concatenate([y, x[2:] + 1])
    x = np.repeat(x[:1], 60, axis=0) if clustered else x
    exact = cdist(x.astype(float), y.astype(float))
    np.testing.assert_allclose(-values("energy", x, y), exact, rtol=2e-6)


def test_the_median_is_of_different_cases_in_the_kernels_own_distance():
    assert fitted("rbf", X).sigmas == (pytest.approx(np.median(pdist(X)), rel=1e-12),)
    cityblock = np.median(pdist(X, "cityblock"))
    assert fitted("laplace", X).sigmas == (pytest.approx(cityblock, rel=1e-12),)
    assert fitted("rbf", X, "aggregate").sigmas == pytest.approx(GRID * np.median(pdist(X)))
    assert fitted("energy", X).sigmas == (1.0,)


def test_copies_do_not_make_the_median_zero():
    z = np.repeat([[0.0], [2.0]], (9, 1), axis=0)
    assert fitted("rbf", z).sigmas == (2.0,)
    assert fitted("rbf", np.ones((4, 2))).sigmas == (1.0,)


@pytest.mark.parametrize("given", [np.array([1.0, 2.0]), [1, 2.0], (np.float32(1), 2)])
def test_bandwidths_may_be_a_list_or_an_array(given):
    assert fitted("rbf", X, given).sigmas == (1.0, 2.0)


def test_gamma_is_half_over_sigma_squared():
    assert fitted("rbf", X, gamma=np.float32(2)).sigmas == (0.5,)


def test_the_centre_is_the_mean_of_different_pairs():
    found = fitted("rbf", X, 1.3)
    pairs = values("rbf", X, X)[~np.eye(13, dtype=bool)]
    assert found.centres[0] == pytest.approx(pairs.mean(), rel=1e-12)
    assert found.spreads[0] == pytest.approx(np.abs(pairs - pairs.mean()).mean(), rel=1e-12)


def test_a_large_samples_median_is_that_of_cases_drawn_by_seed():
    z = np.random.default_rng(2).normal(size=(SUBSAMPLE + 500, 2)).astype(np.float32)
    once, again, other = (fitted("rbf", z, seed=seed).sigmas[0] for seed in (0, 0, 1))
    assert once == again != other
    assert once == pytest.approx(other, rel=0.02)


@pytest.mark.parametrize(
    ("kernel", "bandwidth", "gamma", "said"),
    [
        ("rbf", "scott", None, "'scott' is not known; give 'median', 'aggregate'"),
        ("rbf", 0, None, "bandwidth 0 is not a positive"),
        ("rbf", -1.0, None, "bandwidth -1.0 is not a positive"),
        ("rbf", np.inf, None, "bandwidth inf"),
        ("laplace", [1, np.nan], None, "bandwidth nan"),
        ("rbf", True, None, "bandwidth True"),
        ("rbf", None, None, "bandwidth None"),
        ("rbf", [], None, "empty"),
        ("rbf", "median", 0.0, "gamma 0.0 is not a positive"),
        ("rbf", "median", "1", "gamma '1' is not a positive"),
        ("rbf", 2.0, 1.0, "give one of both"),
        ("rbf", np.array([1.0, 2.0]), 1.0, "give one of both"),
        ("laplace", "median", 1.0, "gamma is the rbf kernel's"),
        ("linear", 2.0, None, "linear kernel has no bandwidth"),
        ("energy", np.array([1.0, 2.0]), None, "energy kernel has no bandwidth"),
        ("polynomial", "median", 1.0, "polynomial kernel has no bandwidth"),
    ],
)
def test_a_bandwidth_that_does_not_fit_is_told(kernel, bandwidth, gamma, said):
    with pytest.raises(DataError, match=said):
        fitted(kernel, X, bandwidth, gamma)
