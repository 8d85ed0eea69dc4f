"""NT-Xent: closed form → slow loop → lengths → peer library."""

from math import exp, log

import pytest
import torch

from vesalius.core import RecipeError
from vesalius.objectives import nt_xent

torch.set_num_threads(1)


def pair(batch, width=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(2, batch, width, generator=generator, dtype=dtype)
    return draw[0], draw[1]


def slow(first, second, temperature):
    views, n, total = [*first, *second], len(first), 0.0
    for i in range(2 * n):
        z = {
            k: float(views[i] @ views[k] / views[i].norm() / views[k].norm()) / temperature
            for k in range(2 * n)
            if k != i
        }
        top = max(z.values())
        total += log(sum(exp(v - top) for v in z.values())) + top - z[(i + n) % (2 * n)]
    return total / (2 * n)


def test_two_orthogonal_images_have_the_closed_form():
    value = nt_xent(torch.eye(2), torch.eye(2), temperature=0.5)
    assert float(value) == pytest.approx(log(1 + 2 * exp(-2.0)))


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("tile", [None, 3])
def test_equals_a_slow_loop(batch, temperature, tile):
    first, second = pair(batch)
    value = nt_xent(first, second, temperature=temperature, tile=tile)
    assert abs(float(value) - slow(first, second, temperature)) < 1e-10


def test_collapsed_views_cost_the_log_of_the_candidates():
    same = torch.ones(5, 3, dtype=torch.float64)
    assert float(nt_xent(same, same)) == pytest.approx(log(9))


def test_lengths_do_not_matter():
    first, second = pair(6)
    lengths = torch.rand(6, 1, dtype=torch.float64) + 0.5
    assert torch.allclose(nt_xent(first, second), nt_xent(first * lengths, 7 * second))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    with pytest.raises(RecipeError, match="temperature"):
        nt_xent(*pair(2), temperature=temperature)


@pytest.mark.parametrize("tile", [None, 5])
def test_equals_lightly(tile):
    loss = pytest.importorskip("lightly.loss", reason="lightly is in the group 'peers'")
    first, second = pair(12, 8, dtype=torch.float32)
    expected = loss.NTXentLoss(temperature=0.5)(first, second)
    assert abs(float(nt_xent(first, second, tile=tile)) - float(expected)) < 1e-5
