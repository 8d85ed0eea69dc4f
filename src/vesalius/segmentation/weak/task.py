"""What the loop trains: each image gets its mask.

Legend of shapes: B batch, C channels, N cases, S pixels of a side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.objectives import dice_bce
from vesalius.segmentation.weak.prepared import Prepared, normalised, share
from vesalius.training.augment import draw_jitter, jitter, moved
from vesalius.training.running import Batch, Features

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class MaskTask:
    """A :class:`vesalius.training.Task`; images, truths and weights are moved together."""

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
