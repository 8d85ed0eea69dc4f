"""The loop: steps, epochs, validation, checkpoints. What is trained is a :class:`Task`.

The sample order and every draw of an epoch are functions of (seed, epoch, batch), so a training
that was killed goes on exactly as it would have. Legend of shapes: B batch, N cases.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import numpy as np
import torch

from vesalius.core import TrainingError
from vesalius.data.loader import in_groups
from vesalius.data.progress import Advance, bar
from vesalius.data.ranks import agreed, by_first, rank
from vesalius.encoders.borrowing import modes_kept
from vesalius.training.checkpoint import Checkpoints, Progress, only_one
from vesalius.training.distributed import begin_alike, same_everywhere
from vesalius.training.ema import Average
from vesalius.training.memory import explained, with_sizes
from vesalius.training.optimiser import make_optimiser, set_rate
from vesalius.training.peak import forget_peak, peak_mb
from vesalius.training.running import Run, Task
from vesalius.training.settings import Conditions, Fit, Optimisation
from vesalius.training.sharding import sharded
from vesalius.training.step import learning_mode, measured, take_step
from vesalius.training.towers import arranged
from vesalius.training.tracking import NoTrack, Track

log = logging.getLogger(__name__)

LOGGED_STEPS = 20


def fit(task: Task, *, optimisation: Optimisation, conditions: Conditions) -> Fit:
    """Train a task, or go on where the folder's last checkpoint is; keep the best epoch's weights.

    Raises:
        TrainingError: the folder holds a training of other settings, the loss or a gradient is not
            finite (the last checkpoint is then as it was), or nothing can learn.
        RankError: another rank of the job has ended.
        KeyboardInterrupt: after Ctrl-C, once the checkpoint is written.
    """
    folder = Path(conditions.folder)
    for split, least in (("train", 2), ("validation", 1)):
        if task.sizes[split] < least:
            raise TrainingError(f"{task.sizes[split]} {split} cases: {least} or more are needed")
    forget_peak(conditions.device)
    with ExitStack() as stack:
        for entered in (_random_state(conditions), modes_kept(task.module)):
            stack.enter_context(entered)
        by_first(lambda: _enter(stack, only_one(folder)))
        task.module.to(conditions.device)
        begin_alike(task.module)
        stack.enter_context(arranged(task.module, conditions))
        optimisation = with_sizes(task, optimisation, conditions)
        stack.enter_context(explained(optimisation, conditions))
        now = stack.enter_context(sharded(task.module, conditions))
        learning = [(now.get(own, own), rate) for own, rate in task.parameters()]
        optimiser = make_optimiser(learning, optimisation)
        settings = {**asdict(optimisation), "seed": conditions.seed, **task.settings}
        decay = optimisation.ema
        average = None if decay is None else Average(task.module, decay)
        checkpoints = Checkpoints(folder, settings, average.tensors if average else {})
        progress = checkpoints.restore(task.module, optimiser) or Progress()
        same_everywhere((progress.epoch, progress.step))
        by_first(lambda: checkpoints.forget_others(progress.best_epoch))
        run = Run(task, optimiser, optimisation, conditions, checkpoints, progress, average)
        if not progress.finished:
            _train(run)
        checkpoints.load_best(task.module, run.progress.best_epoch)
    return _fit_of(run)


def _train(run: Run) -> None:
    """Go through the epochs that are left."""
    epochs, done = run.optimisation.epochs, run.total_step
    what, images = "training", run.task.sizes["train"]
    first = rank() == 0
    track = NoTrack() if not first else Track(
        Path(run.conditions.folder),
        epochs=run.progress.epoch,
        steps=done,
        tensorboard=run.conditions.tensorboard,
    )  # fmt: skip
    shown = bar(
        what,
        epochs * images,
        unit="images",
        done=min(done * images // run.steps, epochs * images),
        show=run.conditions.progress and first,
    )
    with run.interrupt, track, shown as advance:
        while not run.progress.finished:
            _learn(run, track, advance)
            _end_epoch(run, track, _validate(run))


def _learn(run: Run, track: Track | NoTrack, advance: Advance) -> None:
    """Take the steps of one epoch that are left."""
    epoch = run.progress.epoch
    rng = np.random.default_rng([run.conditions.seed, epoch])
    order_N = rng.permutation(run.task.sizes["train"])
    groups = in_groups(order_N, run.batch_size)
    first = run.progress.step
    learning_mode(run.task.module)
    batches = run.in_parts("train", groups[first:])
    for number, parts in enumerate(batches, start=first):
        rate = set_rate(run.optimiser, run.rate_factor(run.total_step))
        loss_sum, weight_sum = take_step(run, groups[number], parts, number)
        progress = run.progress
        if run.average is not None:
            run.average.update(run.total_step + 1)
        run.move(
            step=progress.step + 1,
            loss_sum=progress.loss_sum + loss_sum,
            weight_sum=progress.weight_sum + weight_sum,
        )
        loss = loss_sum / weight_sum if weight_sum else 0.0
        if run.total_step % LOGGED_STEPS == 0:
            track.write(epoch=epoch + 1, step=run.total_step, step_loss=loss, learning_rate=rate)
        note = f"epoch {epoch + 1}/{run.optimisation.epochs} loss {loss:.4f}"
        advance(len(groups[number]), note)
        run.save_or_stop()


def _validate(run: Run) -> float:
    """Return the mean loss over the validation split, in one fixed order."""
    rng = np.random.default_rng(run.conditions.seed)
    order_N = rng.permutation(run.task.sizes["validation"])
    groups = in_groups(order_N, run.batch_size)
    loss_sum = weight_sum = 0.0
    run.task.module.eval()
    with run.averaged():
        for group, parts in zip(groups, run.in_parts("validation", groups), strict=True):
            if run.stop_asked():
                break
            loss, weight = measured(run, group, parts)
            loss_sum, weight_sum = loss_sum + loss * weight, weight_sum + weight
    run.save_or_stop()  # saves, and must not save the average as the weights
    if weight_sum == 0:
        raise TrainingError("no validation case can be read and has a known truth")
    if not isfinite(loss_sum):
        raise TrainingError(f"the validation loss is not finite in epoch {run.progress.epoch + 1}")
    return agreed(loss_sum / weight_sum)


def _end_epoch(run: Run, track: Track | NoTrack, validation_loss: float) -> None:
    """Keep the weights if they are the best so far, log, and save."""
    progress, patience = run.progress, run.optimisation.patience
    before = sum(entry["seconds"] for entry in progress.history)
    run.move()
    entry = {
        "epoch": progress.epoch + 1,
        "train_loss": progress.loss_sum / max(progress.weight_sum, 1e-12),
        "validation_loss": validation_loss,
        "learning_rate": set_rate(run.optimiser, run.rate_factor(run.total_step - 1)),
        "seconds": run.progress.seconds - before,
    }
    best = min((e["validation_loss"] for e in progress.history), default=float("inf"))
    best_epoch = progress.best_epoch
    if validation_loss < best:
        best_epoch = progress.epoch + 1
        with run.averaged():
            run.checkpoints.save_best(run.task.module, best_epoch)
    epoch = progress.epoch + 1
    patient = patience is None or epoch - best_epoch < patience
    run.move(
        epoch=epoch,
        step=0,
        loss_sum=0.0,
        weight_sum=0.0,
        history=(*progress.history, entry),
        best_epoch=best_epoch,
        finished=epoch == run.optimisation.epochs or not patient,
    )
    # both before the save: a kill after it finds the epoch logged, and a resumed log drops what is
    # ahead of it
    track.write(step=run.total_step, **entry)
    log.info("epoch %d: loss %.4f, validation %.4f", epoch, entry["train_loss"], validation_loss)
    run.save()
    by_first(lambda: run.checkpoints.forget_others(best_epoch))


def _enter(stack: ExitStack, context: AbstractContextManager[None]) -> None:
    stack.enter_context(context)


@contextmanager
def _random_state(conditions: Conditions) -> Iterator[None]:
    """Draw (dropout) from a state of one's own, and give the global one back."""
    device = torch.device(conditions.device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(conditions.seed)
        yield


def _fit_of(run: Run) -> Fit:
    history = list(run.progress.history)
    return Fit(
        history=history,
        best_epoch=run.progress.best_epoch,
        stopped=len(history) < run.optimisation.epochs,
        seconds=run.progress.seconds,
        trainable_parameters=sum(
            parameter.numel()
            for group in run.optimiser.param_groups
            for parameter in group["params"]
        ),
        folder=Path(run.conditions.folder),
        memory_mb=peak_mb(run.conditions.device),
        batch_size=run.batch_size,
        micro_batch=run.micro_batch,
    )
