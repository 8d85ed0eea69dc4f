"""One step: features in parts, the objective over all of them, a guard, an update.

A batch may be larger than what memory holds of its activations. Its parts (``micro_batch``) are
then encoded twice: first without gradient, so that the objective sees the features of the whole
batch, then again with it, one part at a time, with the objective's gradient put in at the features
(gradient caching, Gao et al. 2021). The gradient is that of the whole batch. Of many ranks each
encodes its share, and the objective sees all features (:mod:`vesalius.training.distributed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vesalius.core import TrainingError
from vesalius.data.ranks import gathered_objects, rank, world
from vesalius.training.batch_norm import one_batch
from vesalius.training.distributed import Shares, average_gradients, gathered, is_asked, shares
from vesalius.training.running import Batch, Features, Run
from vesalius.training.sharding import own_part, total_norm

if TYPE_CHECKING:
    from torch import Tensor

NAMED_CASES = 64


def take_step(
    run: Run, group: NDArray[np.integer], parts: Sequence[Batch], number: int
) -> tuple[float, float]:
    """Take one step over the parts of a batch; return the sums of loss × weight and of weight.

    ``group`` are the rows that were asked for, of which unreadable ones are missing in ``parts``,
    this rank's share; ``number`` is that of the batch in the epoch.
    """
    task = run.task
    generator = _generator(run.conditions.seed, run.progress.epoch, number)
    draws = task.draws(group, generator)
    place = {int(row): i for i, row in enumerate(group)}
    least = 1 if run.optimisation.micro_batch is None else 2
    whole, parts = _dealt(run, "train", group, parts, least)
    rows_B = whole.rows_B
    if len(rows_B) < 2:  # batch normalisation and contrast need two
        return 0.0, 0.0
    pieces = [
        (batch, None if draws is None else draws[[place[int(row)] for row in batch[0]]])
        for batch in parts
    ]
    if world() > 1:  # dropout is each rank's own where it has images of its own
        who = rank() if whole.parted else 0
        torch.manual_seed(_seed(run.conditions.seed, run.progress.epoch, number, who))
    run.optimiser.zero_grad(set_to_none=True)
    if len(pieces) == 1:
        ((batch, own),) = pieces
        parted = whole.parted and run.optimisation.micro_batch is None
        with run.precision(), one_batch(task.module, parted=parted):
            features = gathered(task.features("train", batch, own), whole)
            loss, weight = task.objective("train", rows_B, features)
        value = _finite(run, loss, rows_B)
        if loss.requires_grad:
            loss.backward()
    else:
        value, weight = _cached(run, pieces, whole)
    average_gradients(p for owned in run.optimiser.param_groups for p in owned["params"])
    gradients = [
        parameter.grad
        for owned in run.optimiser.param_groups
        for parameter in owned["params"]
        if parameter.grad is not None
    ]
    if gradients:
        norm = total_norm(gradients)
        if not isfinite(norm):
            raise _not_finite(run, f"the gradient's length is {norm}", rows_B)
        most = run.optimisation.clip
        if most is not None and norm > most:
            torch._foreach_mul_([own_part(slope) for slope in gradients], most / norm)
        run.optimiser.step()
        task.after_step()
    return value * weight, weight


def measured(run: Run, group: NDArray[np.integer], parts: Sequence[Batch]) -> tuple[float, float]:
    """Return the validation loss of a batch and its weight."""
    whole, parts = _dealt(run, "validation", group, parts, 1)
    if not parts:
        return 0.0, 0.0
    with torch.no_grad(), run.precision():
        own = joined([run.task.features("validation", batch, None) for batch in parts])
        loss, weight = run.task.objective("validation", whole.rows_B, gathered(own, whole))
    return loss.item(), weight


def _dealt(
    run: Run, split: str, group: NDArray[np.integer], parts: Sequence[Batch], least: int
) -> tuple[Shares, list[Batch]]:
    """Return who has which rows of a batch, and this rank's parts of ``least`` cases or more."""
    kept = [batch for batch in parts if len(batch[0]) >= least]
    found = shares(group, _rows(kept))
    if is_asked(run.conditions) and len(set(gathered_objects(len(kept)))) > 1:
        found = None  # the ranks gather a tower's weights equally often
    if found is None:  # a rank has nothing: each takes all
        kept = [b for b in run.all_parts(split, group) if len(b[0]) >= least]
        found = Shares((_rows(kept),))
    return found, kept


def _rows(parts: Sequence[Batch]) -> NDArray[np.integer]:
    return np.concatenate([np.empty(0, dtype=np.intp), *(batch[0] for batch in parts)])


def learning_mode(module: nn.Module) -> None:
    """Set training mode, except in frozen parts: their batch statistics and dropout stand still."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def joined(features: Sequence[Features]) -> Features:
    """Return the features of parts as those of one batch."""
    return {name: torch.cat([part[name] for part in features]) for name in features[0]}


def _cached(run: Run, pieces: Sequence[tuple[Batch, Any]], whole: Shares) -> tuple[float, float]:
    """Put the whole batch's gradient into the parameters, with one part's activations at a time."""
    task, rows_B, states, found = run.task, whole.rows_B, [], []
    with torch.no_grad(), run.precision(), _statistics_still(task.module):
        for batch, own in pieces:
            states.append(_RandomState.now(run.device))
            found.append(task.features("train", batch, own))
    features = {
        name: value.requires_grad_(value.is_floating_point())
        for name, value in joined(found).items()
    }
    with run.precision():
        loss, weight = task.objective("train", rows_B, gathered(features, whole))
    value = _finite(run, loss, rows_B)
    if not loss.requires_grad:
        return value, weight
    loss.backward()
    first = 0
    for (batch, own), state in zip(pieces, states, strict=True):
        state.put_back()
        last = first + len(batch[0])
        with run.precision():
            again = task.features("train", batch, own)
        learning = [name for name, feature in again.items() if feature.requires_grad]
        slopes = [features[name].grad for name in learning]
        if learning:
            torch.autograd.backward(
                [again[name] for name in learning],
                [None if slope is None else slope[first:last] for slope in slopes],
            )
        first = last
    return value, weight


@dataclass(frozen=True, slots=True)
class _RandomState:
    """Where dropout's random numbers stand."""

    cpu: Tensor
    cuda: Tensor | None
    device: torch.device

    @classmethod
    def now(cls, device: torch.device) -> _RandomState:
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), cuda, device)

    def put_back(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)


@contextmanager
def _statistics_still(module: nn.Module) -> Iterator[None]:
    """Normalise by each part's own statistics without counting them: the second pass does."""
    norms = [
        part for part in module.modules()
        if isinstance(part, _BatchNorm) and part.training and part.track_running_stats
    ]  # fmt: skip
    for part in norms:
        part.track_running_stats = False
    kept = [(part.running_mean, part.running_var) for part in norms]
    for part in norms:
        part.running_mean = part.running_var = None
    try:
        yield
    finally:
        for part, (mean, variance) in zip(norms, kept, strict=True):
            part.running_mean, part.running_var = mean, variance
            part.track_running_stats = True


def _finite(run: Run, loss: Tensor, rows_B: NDArray[np.integer]) -> float:
    value = loss.item()
    if not isfinite(value):
        raise _not_finite(run, f"the loss is {value}", rows_B)
    return value


def _generator(seed: int, epoch: int, batch: int) -> torch.Generator:
    return torch.Generator().manual_seed(_seed(seed, epoch, batch))


def _seed(*parts: int) -> int:
    state = np.random.SeedSequence(parts).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _not_finite(run: Run, what: str, rows_B: NDArray[np.integer]) -> TrainingError:
    ids = run.task.case_ids("train", rows_B)
    more = "" if len(ids) <= NAMED_CASES else f" and {len(ids) - NAMED_CASES} more"
    return TrainingError(
        f"{what} in epoch {run.progress.epoch + 1}, step {run.progress.step + 1}; the last "
        f"checkpoint is as it was; the batch's cases: {', '.join(ids[:NAMED_CASES])}{more}"
    )
