"""What each rank of the tests' jobs does; started by test_ranks.py, not collected."""

import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Micro, cohort
from vesalius.core import ImageError, VesaliusError
from vesalius.data.ranks import alone, barrier, gathered_objects, rank, ranks
from vesalius.embedding import encode, encode_layers, save
from vesalius.encoders import load
from vesalius.objectives import OBJECTIVES
from vesalius.training import (
    Conditions,
    Optimisation,
    fine_tune,
    loop,
    pretrain,
    running,
)

STEPS = Optimisation(epochs=5, batch_size=12, learning_rate=1e-2, warmup=0.1)  # 4 steps an epoch


class Double(Micro):
    """The micro model in double precision and without dropout: what differs is not rounding."""

    def __init__(self, batch_norm=True):
        super().__init__()
        self.image[4] = torch.nn.Identity()
        if not batch_norm:
            self.image[2] = torch.nn.LayerNorm(16)
        self.logit_bias = torch.nn.Parameter(torch.tensor(-2.0))
        self.double()

    def encode_image(self, pixels):
        return super().encode_image(pixels.double())


class Holes:
    """Images of which some cannot be read."""

    def __init__(self, images, broken):
        self.images, self.broken = images, set(broken)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index in self.broken:
            raise ImageError(f"image {index} is broken")
        return self.images[index]

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def take(self, rows):
        broken = [place for place, row in enumerate(rows) if int(row) in self.broken]
        return Holes(self.images.take(rows), broken)

    def name(self, index):
        return self.images.name(index)

    def content_hash(self, index):
        return self.images.content_hash(index)


def pretrained(
    folder, *, optimisation=STEPS, train=None, batch_norm=True, save_every=60, **settings
):
    model = Double(batch_norm)
    conditions = Conditions(folder, workers=0, progress=False, max_bad=0.5, save_every=save_every)
    train = cohort() if train is None else train
    fit = pretrain(
        model, train, cohort(10, seed=1), optimisation=optimisation, conditions=conditions,
        **settings,
    )  # fmt: skip
    return fit, model


def fine_tuned(folder, *, task):
    classifier, fit = fine_tune(
        Double(), cohort(task=task), cohort(10, seed=1, task=task), augment=True,
        optimisation=STEPS, conditions=Conditions(folder, workers=0, progress=False),
    )  # fmt: skip
    return fit, classifier


def trainings():
    """Yield each training under a name, as a function of its folder."""
    for name in OBJECTIVES:
        yield f"pretrain {name}", partial(pretrained, objective=name)
    yield (
        "gradient caching",
        partial(pretrained, optimisation=replace(STEPS, micro_batch=3), batch_norm=False),
    )
    yield (
        "averaged weights, a size that was found",
        partial(
            pretrained, optimisation=replace(STEPS, micro_batch="auto", ema=0.9), batch_norm=False
        ),
    )
    order = np.random.default_rng([0, 0]).permutation(48)
    broken = order[12:18].tolist() + order[24:26].tolist()  # all of a rank's share; a part of one
    yield (
        "unreadable images",
        partial(pretrained, train=replace(cohort(), images=Holes(cohort().images, broken))),
    )
    yield (
        "uneven shares",
        partial(pretrained, optimisation=replace(STEPS, batch_size=5, epochs=2), train=cohort(43)),
    )
    for task in ("multilabel", "multiclass"):
        yield f"fine_tune {task}", partial(fine_tuned, task=task)


def difference(one, other):
    """Return how far two trainings are apart: the losses', and the weights', largest distance."""
    (fit, model), (fit_other, model_other) = one, other
    kinds = ("train_loss", "validation_loss")
    losses = [
        abs(a[kind] - b[kind])
        for a, b in zip(fit.history, fit_other.history, strict=True)
        for kind in kinds
    ]
    there = model_other.state_dict()
    weights = [
        float((value.double() - there[name].double()).abs().max())
        for name, value in model.state_dict().items()
    ]
    return {"loss": max(losses), "weights": max(weights)}


def compare(folder):
    found = {}
    for name, train in trainings():
        with alone():
            one = train(folder / f"alone-{rank()}-{os.getpid()}-{name}")
        found[name] = difference(one, train(folder / name))
    everywhere = gathered_objects(found)
    return {
        name: {key: max(own[name][key] for own in everywhere) for key in found[name]}
        for name in found
    }


def stop_and_go_on(folder):
    """Stop in the second epoch by Ctrl-C on one rank; go on with one rank; compare."""
    step = loop.take_step

    def take_step(run, group, parts, number):
        run.interrupt.asked = rank() == 1 and (run.progress.epoch, number) == (1, 2)
        return step(run, group, parts, number)

    with patch.object(loop, "take_step", take_step), suppress(KeyboardInterrupt):
        pretrained(folder / "stopped")
    path = folder / "stopped" / "last.safetensors"
    with safe_open(path, framework="pt") as opened:
        progress = json.loads(opened.metadata()["vesalius"])["progress"]
    found = {"epoch": progress["epoch"], "step": progress["step"]}
    barrier()
    if rank() == 0:
        with alone():
            one = pretrained(folder / "unbroken")
            found |= difference(one, pretrained(folder / "stopped"))
    return found


def not_finite(folder):
    """Break the weights of one rank in the second epoch; return what every rank says."""
    step = loop.take_step

    def take_step(run, group, parts, number):
        if run.progress.epoch == 1 and rank() == 1:
            with torch.no_grad():
                run.task.module.image[1].weight.fill_(torch.nan)
        return step(run, group, parts, number)

    said = "nothing"
    with patch.object(loop, "take_step", take_step):
        try:
            pretrained(folder / "not finite")
        except VesaliusError as error:
            said = f"{type(error).__name__}: {error}"
    return gathered_objects(said)


def embedded(folder):
    """Encode images (some broken, some twice) and texts, and save them."""
    cases = cohort(70)
    cases = replace(cases, images=Twice(cases.images, broken=[3, 40, 41, 69]))
    for modality in ("image", "text"):
        for store in (None, folder / "store"):
            found = encode(
                Double(), cases, modality, store=store, batch_size=8, workers=0, max_bad=0.5,
                progress=False,
            )  # fmt: skip
            if rank() == 0:
                save(found, folder / f"{modality}-{store is None}")
    tiny = load("tiny", texts=["no effusion", "the heart"], image_size=28).float()
    layers = encode_layers(tiny, cases, batch_size=8, workers=0, max_bad=0.5, progress=False)
    if rank() == 0:
        save(layers["trunk.4"], folder / "layer")


def everything(folder):
    """Do all that needs two ranks in one pair of processes: starting them takes longest."""
    found = {
        "trainings": compare(folder),
        "stopped": stop_and_go_on(folder),
        "not finite": not_finite(folder),
    }
    embedded(folder / "two ranks")
    if rank() == 0:
        with alone():
            embedded(folder / "one rank")
        (folder / "found.json").write_text(json.dumps(found))


def endless(folder):
    """Train for very long, saving after every step."""
    end_epoch = loop._end_epoch

    def noted(run, track, loss):
        end_epoch(run, track, loss)
        (folder / "begun").touch()

    running.SAVING_SHARE, loop._end_epoch = 0, noted
    pretrained(folder / "fit", optimisation=replace(STEPS, epochs=100_000), save_every=0)


class Twice(Holes):
    """Images of which some show what another shows; broken ones are known by their bytes."""

    def __getitem__(self, index):
        return super().__getitem__(index - 30 if 45 <= index < 50 else index)

    def content_hash(self, index):
        return sha256(self.images[index - 30 if 45 <= index < 50 else index].tobytes()).hexdigest()

    def take(self, rows):
        return Twice(self.images.take(rows), super().take(rows).broken)


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    try:
        with ranks(silent=60):
            globals()[what](Path(folder))
    except VesaliusError as error:
        sys.exit(f"{type(error).__name__}: {error}")
