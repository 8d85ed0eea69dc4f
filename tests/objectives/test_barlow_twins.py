"""Barlow Twins: closed form → slow loop → what does not matter → peer library."""

import pytest
import torch

from vesalius.core import RecipeError
from vesalius.objectives import barlow_twins

torch.set_num_threads(1)


def pair(batch, width=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(batch, width, generator=generator, dtype=dtype)
    noise = torch.randn(batch, width, generator=generator, dtype=dtype)
    return first, first + 0.3 * noise


def slow(first, second, weight):
    n, width = first.shape

    def standardised(side, d):
        values = side[:, d].tolist()
        mean = sum(values) / n
        variance = sum((v - mean) ** 2 for v in values) / n
        return [(v - mean) / (variance + 1e-5) ** 0.5 for v in values]

    total = 0.0
    for i in range(width):
        for j in range(width):
            pairs = zip(standardised(first, i), standardised(second, j), strict=True)
            c = sum(a * b for a, b in pairs) / n
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


def test_two_equal_uncorrelated_coordinates_cost_nothing_and_opposite_ones_four_each():
    plus = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert float(barlow_twins(plus, plus)) == pytest.approx(0, abs=1e-9)
    assert float(barlow_twins(plus, -plus)) == pytest.approx(8, abs=1e-3)


@pytest.mark.parametrize("batch", [2, 3, 9])
@pytest.mark.parametrize("weight", [5e-3, 1.0])
def test_equals_a_slow_loop(batch, weight):
    first, second = pair(batch)
    value = barlow_twins(first, second, off_diagonal_weight=weight)
    assert abs(float(value) - slow(first, second, weight)) < 1e-10


def test_neither_shift_nor_unit_of_a_coordinate_matters():
    first, second = pair(8)
    units = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=torch.float64)
    moved = barlow_twins(first * units + 5, second - 7)
    assert torch.allclose(barlow_twins(first, second), moved, rtol=1e-3)


def test_a_copied_coordinate_is_what_the_off_diagonal_counts():
    first, second = pair(16)
    copied = first[:, [0, 0, 2, 3]]
    weights = {"off_diagonal_weight": 1.0}
    assert barlow_twins(copied, copied, **weights) > barlow_twins(first, first, **weights) + 1


def test_a_weight_that_is_not_above_zero_is_refused():
    with pytest.raises(RecipeError, match="off_diagonal_weight"):
        barlow_twins(*pair(4), off_diagonal_weight=-1.0)


def test_equals_lightly():
    loss = pytest.importorskip("lightly.loss", reason="lightly is in the group 'peers'")
    first, second = pair(12, 8, dtype=torch.float32)
    expected = loss.BarlowTwinsLoss()(first, second)
    assert float(barlow_twins(first, second)) == pytest.approx(float(expected), rel=1e-5)
