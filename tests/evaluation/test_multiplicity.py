"""p-values among many."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from vesalius.core import DataError
from vesalius.evaluation import benjamini_hochberg, holm


def slow_holm(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, worst = [0.0] * len(p), 0.0
    for step, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - step) * p[i]))
        out[i] = worst
    return out


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_step_by_step_loop_and_to_scipy(seed):
    p = np.round(np.random.default_rng(seed).random(20) ** 3, 2)  # with ties
    np.testing.assert_allclose(holm(p), slow_holm(p.tolist()), atol=1e-15)
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), atol=1e-12)


def test_nan_stays_and_does_not_count_as_a_hypothesis():
    p = np.array([0.01, np.nan, 0.02])
    np.testing.assert_array_equal(holm(p), [0.02, np.nan, 0.02])
    np.testing.assert_array_equal(benjamini_hochberg(p), [0.02, np.nan, 0.02])
    assert len(holm([])) == 0


def test_adjusted_is_never_smaller_and_never_above_1():
    p = np.random.default_rng(0).random(50)
    for adjust in (holm, benjamini_hochberg):
        assert (adjust(p) >= p).all()
        assert (adjust(p) <= 1).all()
    assert (holm(p) >= benjamini_hochberg(p) - 1e-15).all()


def test_holm_keeps_the_chance_of_any_false_finding():
    rng = np.random.default_rng(1)
    found = [(holm(rng.random(14)) < 0.05).any() for _ in range(2000)]
    assert 0.035 <= np.mean(found) <= 0.065


def test_what_is_no_p_value_is_refused():
    with pytest.raises(DataError, match="between 0 and 1"):
        holm([0.5, 1.2])
