"""A segmenter learns from masks, true or not, in cycles; each cycle leaves a snapshot.

Legend of shapes: B batch, C channels, S pixels of a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vesalius.core import DataError, ImageColumn, ModelError, TrainingError
from vesalius.encoders.borrowing import evaluating
from vesalius.encoders.dual_encoder import weights_hash
from vesalius.segmentation.weak.prepared import prepared
from vesalius.segmentation.weak.task import MaskTask
from vesalius.training import Conditions, Fit, Optimisation, fit

SEGMENTING = Optimisation(
    epochs=60, batch_size=16, learning_rate=1e-3, weight_decay=1e-2, clip=12.0
)  # the bound on the gradient is nnU-Net's


@dataclass(frozen=True, slots=True, eq=False)
class Segmenter:
    """What was learnt: a network a cycle, all at one side and with as many channels.

    ``fits`` tell how each cycle went, where it was trained here.
    """

    snapshots: tuple[nn.Module, ...]
    size: int
    channels: int
    fits: tuple[Fit, ...] = ()


def train_segmenter(
    model: nn.Module,
    images: Sequence[Any] | ImageColumn,
    masks: Sequence[Any],
    *,
    confidence: Any = None,
    validation: tuple[Sequence[Any] | ImageColumn, Sequence[Any]] | None = None,
    size: int = 256,
    checkpoints: int = 1,
    augment: bool = True,
    optimisation: Optimisation = SEGMENTING,
    conditions: Conditions,
) -> Segmenter:
    """Return a segmenter trained by Dice and cross-entropy on the masks; ``model`` stays.

    The epochs are shared out to ``checkpoints`` cycles. In each the learning rate falls once by the
    schedule and the weights go on from the cycle before; each leaves the weights of its epoch of
    least validation loss, and their spread is the uncertainty (Huang et al. 2017; for nnU-Net Zhao
    et al. 2022, for pseudo-masks MedCLIP-SAMv2, Koleilat et al. 2024). Called again with the same
    data and settings, a stopped training goes on from its folder, bit for bit on a CPU.

    Args:
        model: takes (B, C, S, S) and gives logits (B, 1, S, S), as :func:`unet`.
        images: uint8, (H, W) or (H, W, 3), each of its own size; a list or an image column.
        masks: a ``Mask``, or bool or uint8 (0 is outside), each of its image's size.
        confidence: for each case a number in [0, 1], or a map of numbers, by which it counts; 0 is
            ignored, and cases that are 0 everywhere are left out (:func:`trusted` makes what is
            small 0). None: all count 1.
        validation: images and masks on which the epoch of each cycle is chosen. None: the training
            cases without augmentation, which cannot tell what was learnt by heart.
        size: the side of the square to which images are stretched.
        augment: turn, shift, zoom and relight each image a little; never flip it. What is moved in
            from outside is ignored.

    Raises:
        DataError: images, masks and confidences do not fit, or no mask has a pixel inside.
        ModelError: the model does not take such images.
        TrainingError: there are more checkpoints than epochs; see :func:`vesalius.training.fit`.
    """
    epochs = optimisation.epochs
    if not 1 <= checkpoints <= epochs:
        raise TrainingError(f"checkpoints is {checkpoints}, not within 1 and {epochs} epochs")
    channels = channels_of(model, size)
    train = prepared(images, masks, confidence, size=size, channels=channels)
    if not (train.truths_NSS * train.weights_NSS).any():
        raise DataError(f"no mask of {len(train)} cases has a pixel inside that counts")
    splits = {"train": train, "validation": train}
    if validation is not None:
        splits["validation"] = prepared(*validation, None, size=size, channels=channels)
    settings = {
        "task": "segment",
        "model": type(model).__name__,
        "size": size,
        "augment": augment,
        "cycles": checkpoints,
        **{f"{name}_cases": cases.fingerprint() for name, cases in splits.items()},
    }
    task = MaskTask(deepcopy(model), splits, augment, optimisation.learning_rate, settings)
    found = [
        _cycle(task, cycle, length, optimisation, conditions)
        for cycle, length in enumerate(_lengths(epochs, checkpoints), start=1)
    ]
    snapshots, fits = zip(*found, strict=True)
    return Segmenter(snapshots, size, channels, fits)


def _cycle(
    task: MaskTask, cycle: int, epochs: int, optimisation: Optimisation, conditions: Conditions
) -> tuple[nn.Module, Fit]:
    """Train on from where the weights are; return a copy of the network, and how it went."""
    start = {"cycle": cycle, "start": weights_hash(task.module)}
    seed = np.random.SeedSequence([conditions.seed, cycle]).generate_state(1)[0]
    went = fit(
        replace(task, settings={**task.settings, **start}),
        optimisation=replace(optimisation, epochs=epochs),
        conditions=replace(
            conditions,
            folder=cycle_folder(conditions.folder, cycle),
            seed=int(seed),  # no two cycles see one order
        ),
    )
    return deepcopy(task.module).eval(), went


def channels_of(model: nn.Module, size: int) -> int:
    """Return how many channels a model takes, after one empty image of the size went through.

    Raises:
        ModelError: it does not take images of this size, or gives no logit for each pixel.
    """
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    channels = 0 if first is None else first.in_channels
    if channels not in (1, 3):
        raise ModelError(f"a {type(model).__name__} does not begin with 1 or 3 channels of images")
    if size < 2:
        raise ModelError(f"size is {size}, not 2 or more pixels")
    try:
        with evaluating(model):
            home = next(model.parameters()).device
            shape = tuple(model(torch.zeros(1, channels, size, size, device=home)).shape)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the {type(model).__name__} takes no {size} × {size}: {error}") from None
    if shape != (1, 1, size, size):
        raise ModelError(
            f"the {type(model).__name__} gives {shape} for one image of {size} × {size}; wanted "
            f"are logits of shape (1, 1, {size}, {size})"
        )
    return channels


def cycle_folder(folder: str | Path, cycle: int) -> Path:
    """Return where a cycle, counted from 1, keeps its checkpoints."""
    return Path(folder) / f"cycle-{cycle}"


def _lengths(epochs: int, cycles: int) -> list[int]:
    """Return the epochs of each cycle, as even as they can be.

    >>> _lengths(10, 3)
    [4, 3, 3]
    """
    return [len(part) for part in np.array_split(np.arange(epochs), cycles)]
