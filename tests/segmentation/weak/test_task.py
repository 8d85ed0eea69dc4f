"""Images, truths and weights are moved together, and what comes in from outside is ignored."""

import numpy as np
import torch
from torch import nn

from vesalius.segmentation.weak.prepared import prepared
from vesalius.segmentation.weak.task import MaskTask
from vesalius.training.augment import SHIFT

SIDE = 32


class Same(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 1, 1, bias=False)
        nn.init.ones_(self.weight)


def features_of(images, masks, draws_B6, confidence=None):
    cases = prepared(images, masks, confidence, size=SIDE, channels=1)
    task = MaskTask(Same(), {"train": cases}, True, 1e-3, {})
    (batch,) = task.batches("train", [np.arange(len(images))])
    with torch.no_grad():
        found = task.features("train", batch, draws_B6)
    return found["logits"], found["truths"], found["weights"]


def test_a_truth_stays_on_its_disc(discs):
    _, masks = discs(8, sizes=((SIDE, SIDE),))
    images = [np.where(mask, 255, 0).astype(np.uint8) for mask in masks]
    draws_B6 = 2 * torch.rand(8, 6, generator=torch.Generator().manual_seed(0)) - 1
    logits, truths, weights = features_of(images, masks, draws_B6)
    still, *_ = features_of(images, masks, None)
    assert not torch.allclose(logits, still, atol=0.5)
    for level, truth, weight in zip(logits, truths, weights, strict=True):
        sure = weight == 1
        lit = (level - level.min()) / (level.max() - level.min())
        assert torch.allclose(lit[sure], truth[sure], atol=1e-3)


def test_what_comes_in_from_outside_is_ignored():
    image, mask = np.full((SIDE, SIDE), 90, np.uint8), np.ones((SIDE, SIDE), bool)
    draws_16 = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])  # to the left by SHIFT of half a side
    _, truths, weights = features_of([image], [mask], draws_16)
    columns = SHIFT * SIDE / 2
    assert (weights[0, :, SIDE - int(columns) :] == 0).all()
    assert (weights[0, :, : SIDE - int(columns) - 1] == 1).all()
    assert torch.allclose(truths[weights > 0], torch.ones(()))


def test_an_ignored_part_moves_with_the_image_and_its_truth_is_not_spread(discs):
    images, masks = discs(2, sizes=((SIDE, SIDE),))
    sure = [np.ones((SIDE, SIDE)) for _ in masks]
    for own in sure:
        own[:, :10] = 0
    lied = [np.where(own == 0, ~mask, mask) for own, mask in zip(sure, masks, strict=True)]
    draws_26 = torch.tensor([[0.9, 0.5, -0.7, 0.4, 0, 0], [-0.6, -0.8, 0.2, 0.9, 0, 0]])
    one, other = (features_of(images, own, draws_26, sure) for own in (masks, lied))
    assert torch.equal(one[1], other[1])
    assert torch.equal(one[2], other[2])
