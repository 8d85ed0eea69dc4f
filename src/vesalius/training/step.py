"""One step: gradients over some batches, a guard against what is not finite, an update."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import TrainingError
from vesalius.training.running import Batch, Run

NAMED_CASES = 64


def take_step(run: Run, together: Sequence[Batch], number: int) -> tuple[float, float]:
    """Take one step over some batches; return the sums of loss × weight and of weight."""
    task, loss_sum, weight_sum = run.task, 0.0, 0.0
    rows = [batch[0] for batch in together]
    run.optimiser.zero_grad(set_to_none=True)
    for offset, batch in enumerate(together):
        if len(batch[0]) < 2:
            continue  # batch normalisation and contrast need two
        draws = _generator(run.conditions.seed, run.progress.epoch, number + offset)
        with run.precision():
            loss, weight = task.loss("train", batch, draws)
        value = loss.item()
        if not isfinite(value):
            raise _not_finite(run, f"the loss is {value}", [batch[0]])
        if loss.requires_grad:
            (loss / len(together)).backward()
        loss_sum, weight_sum = loss_sum + value * weight, weight_sum + weight
    gradients = [
        parameter.grad
        for group in run.optimiser.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    if gradients:
        norm = float(nn.utils.get_total_norm(gradients))
        if not isfinite(norm):
            raise _not_finite(run, f"the gradient's length is {norm}", rows)
        run.optimiser.step()
        task.after_step()
    return loss_sum, weight_sum


def learning_mode(module: nn.Module) -> None:
    """Set training mode, except in frozen parts: their batch statistics and dropout stand still."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def _generator(seed: int, epoch: int, batch: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, epoch, batch]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _not_finite(run: Run, what: str, rows: Sequence[NDArray[np.integer]]) -> TrainingError:
    ids = [case for part in rows for case in run.task.case_ids("train", part)]
    more = "" if len(ids) <= NAMED_CASES else f" and {len(ids) - NAMED_CASES} more"
    return TrainingError(
        f"{what} in epoch {run.progress.epoch + 1}, step {run.progress.step + 1}; the last "
        f"checkpoint is as it was; the batch's cases: {', '.join(ids[:NAMED_CASES])}{more}"
    )
