"""Sigmoid loss: closed form → slow loop → gradient signs → peer library."""

from math import exp, log, log1p

import pytest
import torch

from vesalius.objectives import sigmoid

torch.set_num_threads(1)


def pair(batch, width=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, width, generator=generator, dtype=dtype)
    return image, torch.randn(batch, width, generator=generator, dtype=dtype)


def slow(image, text, scale, bias):
    total = 0.0
    for i in range(len(image)):
        for j in range(len(text)):
            cosine = float(image[i] @ text[j] / image[i].norm() / text[j].norm())
            z = (1 if i == j else -1) * (scale * cosine + bias)
            total += log1p(exp(-z)) if z > 0 else log1p(exp(z)) - z
    return total / len(image)


def test_two_orthogonal_pairs_have_the_closed_form():
    expected = log(1 + exp(-1.0)) + log(1 + exp(-2.0))  # own: 3 − 2 = 1; other: −(0 − 2) = 2
    value = sigmoid(torch.eye(2), torch.eye(2), logit_scale=3.0, logit_bias=-2.0)
    assert float(value) == pytest.approx(expected)


@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (100.0, 3.0)])
def test_equals_a_slow_loop(batch, scale, bias):
    image, text = pair(batch)
    value = sigmoid(image, text, logit_scale=scale, logit_bias=bias)
    assert abs(float(value) - slow(image, text, scale, bias)) < 1e-10


def test_at_the_authors_start_the_bias_rises_less_than_it_would_without_one():
    image, text = pair(16)
    start, none = (torch.tensor(b, requires_grad=True) for b in (-10.0, 0.0))
    for bias in (start, none):
        sigmoid(image, text, logit_scale=10.0, logit_bias=bias).backward()
    assert start.grad.abs() < none.grad.abs()


@pytest.mark.parametrize("tile", [None, 5])
def test_equals_open_clip(tile):
    from open_clip.loss import SigLipLoss

    image, text = pair(12, 8, dtype=torch.float32)
    unit = torch.nn.functional.normalize
    scale, bias = torch.tensor(10.0), torch.tensor(-10.0)
    expected = SigLipLoss()(unit(image), unit(text), scale, bias)
    value = sigmoid(image, text, logit_scale=scale, logit_bias=bias, tile=tile)
    assert abs(float(value) - float(expected)) < 1e-5
