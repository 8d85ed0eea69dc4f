"""A segmenter learns discs, goes on after a kill, and hears no ignored pixel."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import DataError, ModelError, TrainingError
from vesalius.evaluation.segmentation.overlap import dsc
from vesalius.segmentation import predict_masks, train_segmenter, unet
from vesalius.training import loop, running

SIDE = 32


def weights(segmenter):
    return [snapshot.state_dict() for snapshot in segmenter.snapshots]


def same(first, second):
    pairs = zip(weights(first), weights(second), strict=True)
    return all(torch.equal(one[name], other[name]) for one, other in pairs for name in one)


def test_a_unet_learns_discs(discs, conditions, quick):
    optimisation = replace(quick, epochs=8, learning_rate=3e-3)
    segmenter = train_segmenter(
        unet(depth=3), *discs(24), size=SIDE, optimisation=optimisation, conditions=conditions
    )
    images, masks = discs(9, seed=1)
    found = list(predict_masks(segmenter, images, progress=False))
    scores = [dsc(one.mask_HW, mask) for one, mask in zip(found, masks, strict=True)]
    assert np.mean(scores) > 0.9


def test_confidence_makes_up_for_pseudo_masks_that_are_wrong(small, discs, conditions, quick):
    """Half the masks show the background; by their confidence they are all but left out."""
    images, masks = discs(24)
    wrong = [~mask if i % 2 else mask for i, mask in enumerate(masks)]
    confidence = [0.01 if i % 2 else 1.0 for i in range(24)]
    unseen, truths = discs(6, seed=1)
    scores = []
    for name, own in (("trusting", None), ("doubting", confidence)):
        segmenter = train_segmenter(
            small, images, wrong, confidence=own, size=SIDE,
            optimisation=replace(quick, epochs=10),
            conditions=replace(conditions, folder=conditions.folder / name),
        )  # fmt: skip
        found = predict_masks(segmenter, unseen, progress=False)
        scores.append(
            np.mean([dsc(f.mask_HW, truth) for f, truth in zip(found, truths, strict=True)])
        )
    assert scores[1] > 0.9
    assert scores[0] < 0.7


def test_ignored_pixels_change_no_weight(small, discs, conditions, quick):
    images, masks = discs(8)
    sure = [np.ones(mask.shape) for mask in masks]
    for own in sure:
        own[:, :12] = 0
    lied = [np.where(own == 0, ~mask, mask) for own, mask in zip(sure, masks, strict=True)]
    found = [
        train_segmenter(
            small, images, own, confidence=sure, size=SIDE, optimisation=quick,
            conditions=replace(conditions, folder=conditions.folder / str(i)),
        )
        for i, own in enumerate((masks, lied))
    ]  # fmt: skip
    assert same(*found)


def test_the_model_stays_and_every_cycle_leaves_another_network(small, discs, conditions, quick):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    segmenter = train_segmenter(
        small, *discs(12), size=SIDE, checkpoints=3,
        optimisation=replace(quick, epochs=5), conditions=conditions,
    )  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert small.training
    assert [len(fit.history) for fit in segmenter.fits] == [2, 2, 1]
    first, second, third = (own["0.weight"] for own in weights(segmenter))
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_parts_of_a_batch_learn_what_the_batch_learns(discs, conditions, quick):
    """Without batch statistics and dropout the gradient is that of the whole batch."""
    plain = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    found = [
        train_segmenter(
            plain, *discs(8), size=SIDE, optimisation=replace(quick, micro_batch=part),
            conditions=replace(conditions, folder=conditions.folder / str(part)),
        )
        for part in (None, 2)
    ]  # fmt: skip
    one, other = (weights(segmenter)[0] for segmenter in found)
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def test_half_precision_learns_discs_too(small, discs, conditions, quick):
    segmenter = train_segmenter(
        small, *discs(16), size=SIDE, conditions=conditions,
        optimisation=replace(quick, epochs=10, precision="bf16"),
    )  # fmt: skip
    images, masks = discs(4, seed=1)
    found = predict_masks(segmenter, images, progress=False)
    assert np.mean([dsc(f.mask_HW, m) for f, m in zip(found, masks, strict=True)]) > 0.9


def test_a_killed_training_ends_bit_identically(small, discs, conditions, quick, tmp_path):
    def train(folder, kill_at=None):
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1]
        step, taken = loop.take_step, []

        def take_step(*given):
            if len(taken) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            taken.append(step(*given))
            return taken[-1]

        loop.take_step, running.SAVING_SHARE = take_step, 0
        try:
            own = replace(conditions, folder=folder, save_every=0.0)
            segmenter = train_segmenter(
                small, *discs(20), size=SIDE, checkpoints=2, optimisation=quick, conditions=own
            )
            torch.save(weights(segmenter), folder / "weights.pt")
            os._exit(0)
        except BaseException:
            os._exit(1)

    assert train(tmp_path / "whole") == 0
    expected = torch.load(tmp_path / "whole" / "weights.pt")
    for kill_at in (1, 6, 10):  # 3 steps an epoch, 2 epochs a cycle: also at its very beginning
        folder = tmp_path / str(kill_at)
        assert os.WIFSIGNALED(train(folder, kill_at))
        assert train(folder) == 0
        for one, other in zip(torch.load(folder / "weights.pt"), expected, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_other_masks_do_not_go_on_in_the_folder(small, discs, conditions, quick):
    images, masks = discs(8)
    given = {"size": SIDE, "optimisation": quick, "conditions": conditions}
    train_segmenter(small, images, masks, **given)
    masks[3] = ~masks[3]
    with pytest.raises(TrainingError, match="train_cases is"):
        train_segmenter(small, images, masks, **given)


def test_the_epoch_is_chosen_on_the_validation_cases(small, discs, conditions, quick):
    images, masks = discs(8)
    segmenter = train_segmenter(
        small, images, masks, validation=(images, [~mask for mask in masks]), size=SIDE,
        optimisation=replace(quick, epochs=3), conditions=conditions,
    )  # fmt: skip
    (fit,) = segmenter.fits
    losses = [entry["validation_loss"] for entry in fit.history]
    assert fit.best_epoch == 1 + int(np.argmin(losses)) == 1


def test_a_loss_that_is_no_number_stops_and_names_the_images(discs, conditions, quick):
    class Broken(nn.Conv2d):
        def forward(self, pixels):
            return super().forward(pixels) * (float("nan") if self.training else 1)

    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 1.*image \d"):
        train_segmenter(
            Broken(1, 1, 3, padding=1), *discs(8), size=SIDE, optimisation=quick,
            conditions=conditions,
        )  # fmt: skip


def test_what_cannot_be_learnt_is_refused(small, discs, conditions, quick):
    images, masks = discs(8)
    given = {"size": SIDE, "optimisation": quick, "conditions": conditions}
    empty = [np.zeros_like(mask) for mask in masks]
    with pytest.raises(DataError, match="no mask of 8 cases has a pixel inside"):
        train_segmenter(small, images, empty, **given)
    with pytest.raises(DataError, match="no images"):
        train_segmenter(small, [], [], **given)
    with pytest.raises(DataError, match="no images"):
        train_segmenter(small, images, masks, validation=([], []), **given)
    with pytest.raises(TrainingError, match="checkpoints is 9, not within 1 and 4"):
        train_segmenter(small, images, masks, checkpoints=9, **given)
    with pytest.raises(TrainingError, match="1 train cases"):
        train_segmenter(small, images[:1], masks[:1], **given)
    assert not list(conditions.folder.rglob("*.safetensors"))


def test_a_model_that_takes_other_images_is_refused(discs, conditions, quick):
    for model, said in (
        (nn.Conv2d(2, 1, 3), "1 or 3 channels"),
        (nn.Linear(3, 3), "1 or 3 channels"),
        (nn.Conv2d(1, 1, 3), r"gives \(1, 1, 30, 30\)"),
        (nn.Conv2d(1, 1, 50), "takes no 32 × 32"),
    ):
        with pytest.raises(ModelError, match=said):
            train_segmenter(model, *discs(4), size=SIDE, optimisation=quick, conditions=conditions)
