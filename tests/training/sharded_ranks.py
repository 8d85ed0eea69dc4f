"""What each rank of the sharding tests' jobs does; started by test_sharding.py, not collected."""

import json
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from two_ranks import STEPS, Double, difference

from conftest import cohort
from vesalius.core import VesaliusError
from vesalius.data.ranks import alone, barrier, gathered_objects, rank, ranks
from vesalius.training import Conditions, Matching, Reach, fine_tune, loop, pretrain
from vesalius.training.sharding import own_part

STEPS = replace(STEPS, epochs=1)  # of 4 steps


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.linear = nn.Linear(16, 16)

    def forward(self, x_BD):
        x_BD = x_BD + self.linear(self.norm(x_BD)).relu()
        return x_BD + self.attention(*[x_BD[:, None]] * 3)[0][:, 0]


class Tower(nn.Module):
    """A tower of blocks, of which two share a layer, and with a single number."""

    def __init__(self, begin, blocks, end):
        super().__init__()
        self.begin, self.blocks, self.end = begin, nn.ModuleList(blocks), end
        self.blocks[1].linear = self.blocks[0].linear
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs):
        x_BD = self.begin(inputs)
        for block in self.blocks:
            x_BD = block(x_BD)
        return self.end(x_BD * self.scale)


class Layered(Double):
    """Towers of blocks around the micro model's own layers."""

    def __init__(self):
        super().__init__(batch_norm=False)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            blocks = [Block() for _ in range(5)]
        self.image = Tower(self.image[:2], blocks[:3], self.image[2:])
        self.text = Tower(self.text[:1], blocks[3:], self.text[1:])
        self.double()


def conditions(folder, **manner):
    return Conditions(folder, workers=0, progress=False, max_bad=0.5, **manner)


def pretrained(folder, *, manner, optimisation=STEPS, model=Layered, **settings):
    own = model()
    fit = pretrain(
        own, cohort(44), cohort(10, seed=1), optimisation=optimisation,
        conditions=conditions(folder, **manner), **settings,
    )  # fmt: skip
    return fit, own


def fine_tuned(folder, *, manner):
    classifier, fit = fine_tune(
        Layered(), cohort(24), cohort(10, seed=1), optimisation=STEPS,
        conditions=conditions(folder, **manner),
    )  # fmt: skip
    return fit, classifier


def trainings():
    """Yield each training under a name, as a function of its folder and its manner."""
    changed = partial(replace, STEPS)
    yield "blocks", partial(pretrained, optimisation=changed(epochs=3))
    yield "two texts", partial(pretrained, matching=Matching(two_texts=True))
    yield "no blocks", partial(pretrained, model=Double)
    yield "clip and ema", partial(pretrained, optimisation=changed(clip=0.1, ema=0.9))
    yield (  # the ranks' shares have 4 and 3 cases; the last batch has 2
        "gradient caching", partial(pretrained, optimisation=changed(micro_batch=2, batch_size=7))
    )  # fmt: skip
    yield "lars", partial(pretrained, optimisation=changed(optimiser="lars"))
    yield (
        "a locked tower, known beforehand",
        partial(pretrained, strategy="locked_image", augment=False),
    )
    yield (
        "last blocks",
        partial(pretrained, strategy="last_blocks", reach=Reach(last_blocks=1, layer_decay=0.7)),
    )
    yield "lora", partial(pretrained, strategy="lora", reach=Reach(lora_rank=2))
    yield "fine_tune", fine_tuned


def compare(folder):
    """Train each with whole and with sharded towers; say how far apart they end."""
    found = {}
    for name, train in trainings():
        held = []
        step = loop.take_step

        def take_step(run, *given, held=held, step=step):
            held.append(sum(own_part(p).numel() for p in run.task.module.parameters()))
            return step(run, *given)

        one = train(folder / f"{name}, whole", manner={})
        with patch.object(loop, "take_step", take_step):
            two = train(folder / name, manner={"shard": True})
        every = sum(parameter.numel() for parameter in two[1].parameters())
        found[name] = {
            **difference(one, two), "held": max(held) / every, "plain": is_plain(two[1], one[1]),
            "trainable": two[0].trainable_parameters - one[0].trainable_parameters,
        }  # fmt: skip
    return found


def is_plain(module, other):
    """Whether a module's parts are those of another that never was sharded, hooks included."""
    pairs = list(zip(module.modules(), other.modules(), strict=True))
    return all(
        type(a) is type(b)
        and vars(a).keys() == vars(b).keys()
        and not any("hooks" in name and value for name, value in vars(a).items())
        and all(type(p) is nn.Parameter for p in a._parameters.values() if p is not None)
        for a, b in pairs
    )


def go_on(folder):
    """Stop a training by Ctrl-C; go on with whole, with sharded towers, on one rank; compare."""
    step = loop.take_step
    ema = replace(STEPS, epochs=2, ema=0.9)

    def take_step(run, group, parts, number):
        run.interrupt.asked = rank() == 1 and (run.progress.epoch, number) == (0, 2)
        return step(run, group, parts, number)

    unbroken = pretrained(folder / "unbroken", manner={}, optimisation=ema)
    found = {}
    for begun, ended in ((True, False), (False, True)):
        name = f"{begun} {ended}"
        with patch.object(loop, "take_step", take_step), suppress(KeyboardInterrupt):
            pretrained(folder / name, manner={"shard": begun}, optimisation=ema)
        barrier()
        gone_on = pretrained(folder / name, manner={"shard": ended}, optimisation=ema)
        found[name] = difference(unbroken, gone_on)
    with patch.object(loop, "take_step", take_step), suppress(KeyboardInterrupt):
        pretrained(folder / "alone", manner={"shard": True}, optimisation=ema)
    barrier()
    if rank() == 0:
        with alone():
            gone_on = pretrained(folder / "alone", manner={"shard": True}, optimisation=ema)
        found["one rank"] = difference(unbroken, gone_on)
    barrier()
    return found


def errors(folder):
    """Return what is said to what does not go together, and what a broken training leaves."""
    said = {}
    for name, manner, optimisation in (
        ("compile", {"compile": True}, STEPS),
        ("auto", {}, replace(STEPS, micro_batch="auto")),
    ):
        try:
            pretrained(folder / name, manner={"shard": True, **manner}, optimisation=optimisation)
        except VesaliusError as error:
            said[name] = f"{type(error).__name__}: {error}"
    step = loop.take_step

    def take_step(run, group, parts, number):
        if number == 2:
            with torch.no_grad():
                run.task.module.logit_scale.fill_(torch.nan)
        return step(run, group, parts, number)

    model, start = Layered(), Layered()
    with patch.object(loop, "take_step", take_step):
        try:
            pretrained(folder / "nan", manner={"shard": True}, model=lambda: model)
        except VesaliusError as error:
            said["nan"] = f"{type(error).__name__}: {error}"
    there = start.state_dict()
    said["plain"] = is_plain(model, start)
    said["as begun"] = all(
        torch.equal(value, there[name])
        for name, value in model.state_dict().items()
        if name.startswith(("image", "text"))
    )
    return said


def everything(folder):
    """Do all in one pair of processes: starting them takes longest."""
    found = {"trainings": compare(folder), "gone on": go_on(folder), "errors": errors(folder)}
    everywhere = gathered_objects(found)
    if rank() == 0:
        (folder / "found.json").write_text(json.dumps(everywhere))


def endless(folder):
    """Train for very long."""
    end_epoch = loop._end_epoch

    def noted(run, track, loss):
        end_epoch(run, track, loss)
        (folder / "begun").touch()

    with patch.object(loop, "_end_epoch", noted):
        pretrained(
            folder / "fit", manner={"shard": True}, optimisation=replace(STEPS, epochs=100_000)
        )


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    try:
        with ranks(silent=60):
            globals()[what](Path(folder))
    except VesaliusError as error:
        sys.exit(f"{type(error).__name__}: {error}")
