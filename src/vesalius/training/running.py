"""What the functions of the loop share: the task, and the training under way.

Legend of shapes: B batch, N cases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.data.loader import in_groups
from vesalius.training.checkpoint import Checkpoints, Progress
from vesalius.training.interrupt import Interrupt
from vesalius.training.schedule import rate_factor
from vesalius.training.settings import Conditions, Optimisation

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

log = logging.getLogger(__name__)

SAVING_SHARE = 20  # a save may cost a twentieth of the time
Batch = tuple[NDArray[np.integer], Any]  # row numbers, and what the task's loss takes


class Task(Protocol):
    """What the loop trains. ``split`` is ``train`` or ``validation``, rows count within it."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained, and kept."""

    @property
    def sizes(self) -> dict[str, int]:
        """The number of cases of each split."""

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values: a training goes on only where they are the same."""

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        """Return the parameters with their learning rates."""

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        """Yield one batch a group, perhaps with fewer rows or none."""

    def loss(
        self, split: str, batch: Batch, generator: torch.Generator | None
    ) -> tuple[Tensor, float]:
        """Return the mean loss and the weight of the batch in the mean over batches."""

    def after_step(self) -> None:
        """Do what the parameters need after each step (a bound on the logit scale)."""

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        """Return the case ids of rows."""


@dataclass(slots=True)
class Run:
    """What the functions of the loop share; ``progress`` is replaced as it moves."""

    task: Task
    optimiser: Optimizer
    optimisation: Optimisation
    conditions: Conditions
    checkpoints: Checkpoints
    progress: Progress
    interrupt: Interrupt = field(default_factory=Interrupt)
    saved_at: float = field(default_factory=monotonic)
    save_cost: float = 0.0
    clock: float = field(default_factory=monotonic)

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        batches = in_groups(np.arange(self.task.sizes["train"]), self.optimisation.batch_size)
        return ceil(len(batches) / self.optimisation.accumulate)

    @property
    def total_step(self) -> int:
        return self.progress.epoch * self.steps + self.progress.step

    def move(self, **changes: Any) -> None:
        """Replace the progress, with the time that went by."""
        now = monotonic()
        seconds = self.progress.seconds + now - self.clock
        self.clock = now
        self.progress = replace(self.progress, seconds=seconds, **changes)

    def save(self) -> None:
        self.move()
        began = monotonic()
        self.checkpoints.save(self.task.module, self.optimiser, self.progress)
        self.saved_at = monotonic()
        self.save_cost = self.saved_at - began

    def save_if_due(self) -> None:
        wait = max(self.conditions.save_every, SAVING_SHARE * self.save_cost)
        if monotonic() - self.saved_at >= wait:
            self.save()

    def stop_if_asked(self) -> None:
        if self.interrupt.asked:
            self.save()
            log.info("stopped by Ctrl-C; the training goes on from %s", self.conditions.folder)
            raise KeyboardInterrupt

    def rate_factor(self, step: int) -> float:
        """Return what the learning rate is multiplied by at a step, counted over all epochs."""
        steps = self.optimisation.epochs * self.steps
        return rate_factor(
            step,
            steps=steps,
            warmup=round(self.optimisation.warmup * steps),
            schedule=self.optimisation.schedule,
        )

    def precision(self) -> Any:
        """Return the context in which the loss is computed."""
        device = torch.device(self.conditions.device).type
        bf16 = self.optimisation.precision == "bf16"
        return torch.autocast(device, torch.bfloat16, enabled=bf16)
