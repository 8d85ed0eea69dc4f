"""LARS against a slow loop, against lightly's, and through its own state."""

import pytest
import torch
from torch import nn

from vesalius.training import Optimisation
from vesalius.training.lars import LARS
from vesalius.training.optimiser import make_optimiser


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(5, 3), (4, 2, 3, 3), (5,), (2, 2)]
    values = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    values[3].zero_()  # no length: its step is the plain one
    return [nn.Parameter(value) for value in values]


def slopes(step):
    return [p.detach() for p in parameters(100 + step)][:3] + [
        torch.full((2, 2), 0.1, dtype=torch.float64)
    ]


def steps(optimiser, weights, numbers):
    for number in numbers:
        for weight, slope in zip(weights, slopes(number), strict=True):
            weight.grad = slope.clone()
        optimiser.step()


def naive(weights, numbers, *, rate, decay, momentum=0.9, trust=1e-3):
    """Algorithm 1 of You et al. 2017, written out; vectors take plain momentum."""
    values = [weight.detach().clone() for weight in weights]
    speeds = [torch.zeros_like(value) for value in values]
    for number in numbers:
        for i, slope in enumerate(slopes(number)):
            own, length = values[i].square().sum().sqrt(), slope.square().sum().sqrt()
            matrix = values[i].ndim > 1
            beta = decay if matrix else 0.0
            scale = trust * own / (length + beta * own) if matrix and own > 0 else 1.0
            speeds[i] = momentum * speeds[i] + scale * (slope + beta * values[i])
            values[i] = values[i] - rate * speeds[i]
    return values


def test_five_steps_are_those_of_a_slow_loop():
    weights = parameters()
    expected = naive(weights, range(5), rate=0.7, decay=1e-2)
    optimisation = Optimisation(optimiser="lars", learning_rate=0.7, weight_decay=1e-2)
    optimiser = make_optimiser([(weight, 0.7) for weight in weights], optimisation)
    assert isinstance(optimiser, LARS)
    steps(optimiser, weights, range(5))
    for weight, value in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.detach(), value, rtol=0, atol=1e-12)


def test_weights_move_as_under_lightlys():
    peer = pytest.importorskip("lightly.utils.lars", reason="the group `peers` is not installed")
    ours, theirs = parameters()[:2], parameters()[:2]
    for weights, kind in ((ours, LARS), (theirs, peer.LARS)):
        optimiser = kind(weights, lr=0.5, momentum=0.9, weight_decay=1e-3)
        for number in range(4):
            for weight, slope in zip(weights, slopes(number), strict=False):
                weight.grad = slope.clone()
            optimiser.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


def test_a_larger_gradient_takes_no_larger_step():
    moved = []
    for factor in (1.0, 1000.0):
        weight = nn.Parameter(torch.eye(3))
        weight.grad = factor * torch.ones(3, 3)
        LARS([weight], lr=1.0).step()
        moved.append(weight.detach() - torch.eye(3))
    torch.testing.assert_close(moved[0], moved[1])


def test_it_goes_on_from_its_state():
    whole, first = parameters(), parameters()
    steps(LARS(whole, lr=0.5), whole, range(4))
    begun = LARS(first, lr=0.5)
    steps(begun, first, range(2))
    second = [nn.Parameter(weight.detach().clone()) for weight in first]
    resumed = LARS(second, lr=0.5)
    resumed.load_state_dict(begun.state_dict())
    steps(resumed, second, range(2, 4))
    assert all(torch.equal(one, other) for one, other in zip(whole, second, strict=True))
