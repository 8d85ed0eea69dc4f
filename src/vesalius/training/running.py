"""What the functions of the loop share: the task, and the training under way.

Legend of shapes: B batch, N cases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.data.loader import in_groups
from vesalius.data.ranks import any_of, world
from vesalius.training.checkpoint import Checkpoints, Progress
from vesalius.training.distributed import own_share
from vesalius.training.ema import Average
from vesalius.training.interrupt import Interrupt
from vesalius.training.schedule import rate_factor
from vesalius.training.settings import Conditions, Optimisation

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

log = logging.getLogger(__name__)

SAVING_SHARE = 20  # a save may cost a twentieth of the time
Batch = tuple[NDArray[np.integer], Any]  # row numbers, and what the task's features come from
Features = dict[str, "Tensor"]  # each with one row a case


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

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> Any:
        """Return the augmentation of a whole training batch, to be indexed by places in it.

        None leaves the cases as they are. Drawn before the batch is cut into parts, it does not
        depend on how the batch is cut.
        """

    def features(self, split: str, batch: Batch, draws: Any) -> Features:
        """Encode part of a batch; what is returned depends on each case alone."""

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        """Return the loss of a whole batch, and its weight in the mean over batches."""

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
    average: Average | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    saved_at: float = field(default_factory=monotonic)
    save_cost: float = 0.0
    clock: float = field(default_factory=monotonic)

    @property
    def batch_size(self) -> int:
        size = self.optimisation.batch_size
        assert isinstance(size, int), "auto is replaced before a run begins"
        return size

    @property
    def micro_batch(self) -> int | None:
        size = self.optimisation.micro_batch
        assert not isinstance(size, str), "auto is replaced before a run begins"
        return size

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return len(in_groups(np.arange(self.task.sizes["train"]), self.batch_size))

    @property
    def device(self) -> torch.device:
        return torch.device(self.conditions.device)

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

    def save_or_stop(self) -> None:
        """Save if it is time, or if Ctrl-C asks to stop; every rank comes here equally often."""
        wait = max(self.conditions.save_every, SAVING_SHARE * self.save_cost)
        stop, due = any_of(self.interrupt.asked, monotonic() - self.saved_at >= wait)
        if stop or due:
            self.save()
        if stop:
            log.info("stopped by Ctrl-C; the training goes on from %s", self.conditions.folder)
            raise KeyboardInterrupt

    def stop_asked(self) -> bool:
        """Return whether any rank was asked to stop; every rank comes here equally often."""
        return any_of(self.interrupt.asked, False)[0]

    def in_parts(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[list[Batch]]:
        """Yield this rank's share of each batch, in parts."""
        cuts = [self._cut(own_share(group), ceil(len(group) / world())) for group in groups]
        found = self.task.batches(split, [part for cut in cuts for part in cut])
        for cut in cuts:
            yield list(islice(found, len(cut)))

    def all_parts(self, split: str, group: NDArray[np.integer]) -> list[Batch]:
        """Return a whole batch in parts."""
        return list(self.task.batches(split, self._cut(group, len(group))))

    def _cut(self, rows: NDArray[np.integer], largest: int) -> list[NDArray[np.integer]]:
        """Cut rows into parts of at most ``micro_batch`` cases, and of two or more.

        There are as many as the ``largest`` number of rows that a rank has needs.
        """
        most = self.micro_batch
        count = (
            1 if most is None else min(ceil(max(largest, len(rows)) / most), max(len(rows) // 2, 1))
        )
        return np.array_split(rows, count)

    def rate_factor(self, step: int) -> float:
        """Return what the learning rate is multiplied by at a step, counted over all epochs."""
        steps = self.optimisation.epochs * self.steps
        return rate_factor(
            step,
            steps=steps,
            warmup=round(self.optimisation.warmup * steps),
            schedule=self.optimisation.schedule,
        )

    def averaged(self) -> AbstractContextManager[None]:
        """Return the context in which the module holds the weights that are validated and kept."""
        return nullcontext() if self.average is None else self.average.in_place()

    def precision(self) -> Any:
        """Return the context in which the loss is computed."""
        bf16 = self.optimisation.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)
