"""Power curves: they rise where something differs, and stay at the level where nothing does."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import power_curve


def test_power_rises_with_the_cases_and_names_how_many_are_needed():
    rng = np.random.default_rng(0)
    x_ND, y_MD = rng.normal(0, 1, (200, 2)), rng.normal(1, 1, (200, 2))
    curve = power_curve(x_ND, y_MD, sizes=(5, 10, 20, 40, 160), repeats=60, permutations=39)
    assert list(curve.rates) == [5, 10, 20, 40], "more than half of a side is nearly the same draw"
    values = [own.value for own in curve.rates.values()]
    assert values == sorted(values)
    assert values[-1] > 0.9
    needed = curve.needed(0.8)
    assert 5 < needed < 40
    assert f"About {needed:.0f} cases" in curve.said_needed(0.8)


def test_nothing_that_differs_stays_at_the_level():
    rng = np.random.default_rng(1)
    x_ND, y_MD = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2))
    curve = power_curve(x_ND, y_MD, sizes=(10, 20), repeats=200, permutations=39)
    for own in curve.rates.values():
        assert own.low < 0.05 < own.high
    assert curve.needed() is None
    assert "more would be needed" in curve.said_needed()


def test_patients_are_drawn_whole():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 3)
    curve = power_curve(
        rng.normal(size=(60, 2)), rng.normal(2, 1, (60, 2)), groups_x=groups, groups_y=groups + 50,
        sizes=(5, 10, 20), repeats=10, permutations=19,
    )  # fmt: skip
    assert curve.units == "patients"
    assert list(curve.rates) == [5, 10]


def test_too_few_cases_are_said_to_be_so():
    curve = power_curve(np.eye(6), np.eye(6))
    assert curve.rates == {}
    assert "too few" in curve.said_needed()
    with pytest.raises(DataError, match="together"):
        power_curve(np.eye(6), np.eye(6), groups_x=np.arange(6))
