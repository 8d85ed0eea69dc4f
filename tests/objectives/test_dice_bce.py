"""Dice and cross-entropy: closed form, slow loop, weights that ignore, gradients."""

from math import exp, log

import pytest
import torch

from vesalius.objectives import dice_bce


def draw(batch=3, height=4, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, height, width)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    truths = (torch.rand(shape, generator=generator, dtype=torch.float64) > 0.5).double()
    return logits, truths, torch.rand(shape, generator=generator, dtype=torch.float64)


def test_logits_of_zero_cost_log_two_and_the_dice_of_halves():
    truths = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]], dtype=torch.float64)
    found = dice_bce(torch.zeros_like(truths), truths, torch.ones_like(truths))
    assert float(found) == pytest.approx(log(2) + 1 - (2 * 1 + 1) / (2 + 2 + 1), abs=1e-12)


def test_it_equals_a_slow_loop():
    logits, truths, weights = draw()
    entropy = weight = dice = images = 0.0
    for one, truth, own in zip(logits.tolist(), truths.tolist(), weights.tolist(), strict=True):
        overlap = sizes = 0.0
        pixels = [
            pixel for rows in zip(one, truth, own, strict=True) for pixel in zip(*rows, strict=True)
        ]
        for z, t, w in pixels:
            p = 1 / (1 + exp(-z))
            entropy -= w * (t * log(p) + (1 - t) * log(1 - p))
            overlap, sizes = overlap + w * p * t, sizes + w * (p + t)
        mean = sum(w for *_, w in pixels) / len(pixels)
        dice += mean * (1 - (2 * overlap + 1) / (sizes + 1))
        weight, images = weight + sum(w for *_, w in pixels), images + mean
    expected = entropy / weight + dice / images
    assert float(dice_bce(logits, truths, weights)) == pytest.approx(expected, abs=1e-10)


def test_its_gradient_is_that_of_finite_differences():
    logits, truths, weights = draw(batch=2, height=3, width=2)
    assert torch.autograd.gradcheck(lambda z: dice_bce(z, truths, weights), logits.requires_grad_())


def test_ignored_pixels_have_no_gradient_and_their_truth_changes_nothing():
    logits, truths, weights = draw()
    ignored = torch.zeros_like(weights, dtype=torch.bool)
    ignored[:, 1:3, 2:] = True
    weights = weights.masked_fill(ignored, 0)
    logits.requires_grad_()
    loss = dice_bce(logits, truths, weights)
    (slopes,) = torch.autograd.grad(loss, logits)
    assert (slopes[ignored] == 0).all()
    assert (slopes[~ignored] != 0).all()
    flipped = torch.where(ignored, 1 - truths, truths)
    assert torch.equal(dice_bce(logits, flipped, weights), loss)


def test_a_batch_that_is_ignored_costs_nothing_and_moves_nothing():
    logits, truths, _ = draw()
    logits.requires_grad_()
    loss = dice_bce(logits, truths, torch.zeros_like(truths))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_an_image_without_weight_is_as_if_it_were_not_there():
    logits, truths, weights = draw()
    weights[1] = 0
    others = torch.tensor([0, 2])
    assert torch.isclose(
        dice_bce(logits, truths, weights),
        dice_bce(logits[others], truths[others], weights[others]),
        atol=1e-12,
    )


def test_two_empty_masks_agree():
    empty = torch.zeros(2, 3, 3)
    assert float(dice_bce(empty - 100, empty, torch.ones_like(empty))) == pytest.approx(0, abs=1e-6)


def test_half_precision_is_summed_in_full():
    logits, truths, weights = (values.float() for values in draw())
    half = logits.bfloat16()
    assert dice_bce(half, truths, weights) == dice_bce(half.float(), truths, weights)


def test_shapes_that_differ_are_named():
    logits, truths, weights = draw()
    with pytest.raises(ValueError, match=r"\(3, 4, 5\).*\(3, 4, 4\).*three equal shapes"):
        dice_bce(logits, truths[..., :4], weights)


def test_one_image_costs_what_segmentation_models_pytorch_says():
    losses = pytest.importorskip("segmentation_models_pytorch.losses")
    logits, truths, _ = (values[:1].float() for values in draw())
    dice = losses.DiceLoss("binary", smooth=0.5)(  # of half the sums
        logits[:, None], truths[:, None]
    )
    entropy = losses.SoftBCEWithLogitsLoss()(logits[:, None], truths[:, None])
    found = dice_bce(logits, truths, torch.ones_like(truths))
    assert float(found) == pytest.approx(float(dice + entropy), abs=1e-5)
