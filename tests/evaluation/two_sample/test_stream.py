"""Streams: every case is seen once, and blocks do not matter."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.core.errors import ChoiceError
from vesalius.evaluation import fourier_test, linear_time_test, mmd_test


def blocks(rows_ND, *sizes):
    """Part rows at running sizes, the rest last."""
    return np.split(rows_ND, np.cumsum(sizes))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (60, 3)), rng.normal(0.5, 1, (64, 3))


def test_the_linear_time_statistic_is_the_mean_over_quadruples(pair):
    x_ND, y_MD = pair

    def k(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * 1.5**2))

    h = [
        k(x_ND[i], x_ND[i + 1]) + k(y_MD[i], y_MD[i + 1])
        - k(x_ND[i], y_MD[i + 1]) - k(x_ND[i + 1], y_MD[i])
        for i in range(0, 60, 2)
    ]  # fmt: skip
    found = linear_time_test([x_ND], [y_MD], bandwidth=1.5)
    assert found.mmd2 == pytest.approx(np.mean(h), abs=1e-12)
    error = np.std(h, ddof=1) / 30**0.5
    assert found.high - found.mmd2 == pytest.approx(1.959964 * error, rel=1e-6)
    assert (found.n, found.m) == (60, 60)


def test_blocks_of_any_size_give_the_same(pair):
    x_ND, y_MD = pair
    whole = linear_time_test([x_ND], [y_MD])
    parted = linear_time_test(blocks(x_ND, 1, 6, 13), blocks(y_MD, 7, 2))
    assert parted.mmd2 == pytest.approx(whole.mmd2, abs=1e-12)
    assert parted.p_value == pytest.approx(whole.p_value, abs=1e-10)
    settings = {"n": 60, "m": 64, "features": 64, "permutations": 20}
    whole = fourier_test([x_ND], [y_MD], **settings)
    parted = fourier_test(blocks(x_ND, 1, 6, 13), blocks(y_MD, 7, 2), **settings)
    assert parted.mmd2 == pytest.approx(whole.mmd2, abs=1e-12)
    assert parted.p_value == whole.p_value


def test_many_features_come_to_the_exact_mmd(pair):
    x_ND, y_MD = pair
    exact = mmd_test(x_ND, y_MD, bandwidth=1.5, estimator="biased", permutations=19).mmd2
    found = fourier_test([x_ND], [y_MD], n=60, m=64, bandwidth=1.5, features=60_000,
                         permutations=1)  # fmt: skip
    assert found.mmd2 == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("test", ["linear", "fourier"])
def test_the_level_holds(test):
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x_ND, y_MD = rng.normal(size=(200, 2)), rng.normal(size=(200, 2))
        if test == "linear":
            p_value = linear_time_test([x_ND], [y_MD]).p_value
        else:
            p_value = fourier_test([x_ND[:40]], [y_MD[:30]], n=40, m=30, features=16,
                                   permutations=39, rng=seed).p_value  # fmt: skip
        rejected += p_value <= 0.05
    assert 5 <= rejected <= 27  # 15 expected, standard deviation 3.8


def test_a_shift_is_found(pair):
    rng = np.random.default_rng(1)
    x_ND, y_MD = rng.normal(0, 1, (3000, 3)), rng.normal(0.5, 1, (3000, 3))
    assert linear_time_test([x_ND], [y_MD]).p_value < 1e-3
    found = fourier_test([pair[0]], [pair[1]], n=60, m=64, permutations=99)
    assert found.p_value == 0.01
    assert "p = 0.01" in found.as_score().note


def test_mistakes_are_told(pair):
    x_ND, y_MD = pair
    with pytest.raises(DataError, match="streams have 60 and 64"):
        fourier_test([x_ND], [y_MD], n=60, m=65)
    with pytest.raises(DataError, match="no common space"):
        linear_time_test([x_ND], [y_MD[:, :2]])
    with pytest.raises(DataError, match="no common space"):
        fourier_test([x_ND], [y_MD[:, :2]], n=60, m=64)
    with pytest.raises(DataError, match="not finite"):
        linear_time_test([np.full((4, 2), np.nan)], [np.ones((4, 2))])
    with pytest.raises(DataError, match="shape"):
        linear_time_test([x_ND, np.ones((3, 2))], [y_MD])
    with pytest.raises(DataError, match="4 cases"):
        linear_time_test([x_ND[:2]], [y_MD])
    with pytest.raises(ChoiceError, match="rbf"):
        linear_time_test([x_ND], [y_MD], kernel="rfb")
    with pytest.raises(DataError, match="bandwidth"):
        fourier_test([x_ND], [y_MD], n=60, m=64, bandwidth=0)
