"""A segmenter learns from masks, true or not, in cycles; each cycle leaves a snapshot.

Legend of shapes: B batch, C channels, N cases, S pixels of a side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import DataError, ModelError, TrainingError
from vesalius.encoders.borrowing import evaluating
from vesalius.encoders.dual_encoder import weights_hash
from vesalius.objectives import dice_bce
from vesalius.segmentation.weak.prepared import Prepared, normalised, prepared, share
from vesalius.training import Conditions, Fit, Optimisation, fit
from vesalius.training.augment import draw_jitter, jitter, moved
from vesalius.training.running import Batch, Features

if TYPE_CHECKING:
    from torch import Tensor

SEGMENTING = Optimisation(
    epochs=60, batch_size=16, learning_rate=1e-3, weight_decay=1e-2, clip=12.0
)  # the bound on the gradient is nnU-Net's


@dataclass(frozen=True, slots=True, eq=False)
class Segmenter:
    """What was learnt: a network a cycle, all at one side and with as many channels.

    ``fits`` tell how each cycle went.
    """

    snapshots: tuple[nn.Module, ...]
    size: int
    channels: int
    fits: tuple[Fit, ...]


def train_segmenter(
    model: nn.Module,
    images: Sequence[Any],
    masks: Sequence[Any],
    *,
    confidence: Any = None,
    validation: tuple[Sequence[Any], Sequence[Any]] | None = None,
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
        masks: bool or uint8 (0 is outside), each of its image's size.
        confidence: for each case a number in [0, 1], or a map of numbers, by which it counts; 0 is
            ignored, and cases that are 0 everywhere are left out. None: all count 1.
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
    channels = _channels(model, size)
    train = prepared(images, masks, confidence, size=size, channels=channels)
    if not (train.truths_NSS * train.weights_NSS).any():
        raise DataError(f"no mask of {len(train)} cases has a pixel inside that counts")
    checked = (
        train if validation is None else prepared(*validation, None, size=size, channels=channels)
    )
    learner, fits, snapshots = deepcopy(model), [], []
    settings = {
        "task": "segment",
        "model": type(model).__name__,
        "size": size,
        "augment": augment,
        "train_cases": train.fingerprint(),
        "validation_cases": checked.fingerprint(),
    }
    for cycle, length in enumerate(_lengths(epochs, checkpoints), start=1):
        task = _Masks(
            module=learner,
            splits={"train": train, "validation": checked},
            augment=augment,
            learning_rate=optimisation.learning_rate,
            settings={**settings, "cycle": cycle, "start": weights_hash(learner)},
        )
        own = replace(
            conditions,
            folder=Path(conditions.folder) / f"cycle-{cycle}",
            seed=_seed(conditions.seed, cycle),
        )
        fits.append(fit(task, optimisation=replace(optimisation, epochs=length), conditions=own))
        snapshots.append(deepcopy(learner).eval())
    return Segmenter(tuple(snapshots), size, channels, tuple(fits))


@dataclass(slots=True)
class _Masks:
    """The task of the loop: each image gets its mask."""

    module: nn.Module
    splits: dict[str, Prepared]
    augment: bool
    learning_rate: float
    settings: dict[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return [(parameter, self.learning_rate) for parameter in self.module.parameters()]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        for rows_B in groups:
            yield rows_B, self.splits[split].pixels_NCSS[rows_B]

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> Tensor | None:
        return draw_jitter(len(rows), generator) if self.augment else None

    def features(self, split: str, batch: Batch, draws: Tensor | None) -> Features:
        """Return the logits, and truths and weights moved as the images were."""
        rows_B, pixels_BCSS = batch
        device, cases = next(self.module.parameters()).device, self.splits[split]
        inputs_BCSS = normalised(pixels_BCSS.to(device, non_blocking=True))
        truths_BSS, weights_BSS = (
            values_NSS[rows_B].to(device, non_blocking=True).float()
            for values_NSS in (cases.truths_NSS, cases.weights_NSS)
        )
        if draws is not None:
            inputs_BCSS = jitter(inputs_BCSS, draws)
            said_B2SS = torch.stack([truths_BSS * weights_BSS, weights_BSS], dim=1)
            said_BSS, weights_BSS = moved(said_B2SS, draws, beyond="zeros").unbind(1)
            truths_BSS = share(said_BSS, weights_BSS)
        logits_BSS = self.module(inputs_BCSS)[:, 0]
        return {"logits": logits_BSS, "truths": truths_BSS, "weights": weights_BSS}

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        truths_BSS, weights_BSS = features["truths"].detach(), features["weights"].detach()
        loss = dice_bce(features["logits"], truths_BSS, weights_BSS)
        return loss, weights_BSS.mean((1, 2)).sum().item()

    def after_step(self) -> None:
        """Nothing: no parameter here has a bound."""

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [self.splits[split].names[row] for row in rows]


def _channels(model: nn.Module, size: int) -> int:
    """Return how many channels the model takes, after one empty image of the size went through."""
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


def _lengths(epochs: int, cycles: int) -> list[int]:
    """Return the epochs of each cycle, as even as they can be.

    >>> _lengths(10, 3)
    [4, 3, 3]
    """
    return [len(part) for part in np.array_split(np.arange(epochs), cycles)]


def _seed(seed: int, cycle: int) -> int:
    """Return a cycle's own seed: no two cycles see one order."""
    return int(np.random.SeedSequence([seed, cycle]).generate_state(1)[0])
