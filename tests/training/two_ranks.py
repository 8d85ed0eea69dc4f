"""What each rank of the tests' jobs does; started by test_ranks.py, not collected."""

import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Micro, cohort  # noqa: E402

from vesalius.core import ImageError  # noqa: E402
from vesalius.data.ranks import alone, gathered_objects, rank, ranks  # noqa: E402
from vesalius.objectives import OBJECTIVES  # noqa: E402
from vesalius.training import Conditions, Optimisation, fine_tune, pretrain  # noqa: E402

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


def pretrained(folder, *, optimisation=STEPS, train=None, batch_norm=True, **settings):
    model = Double(batch_norm)
    conditions = Conditions(folder, workers=0, progress=False, max_bad=0.5)
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
    yield "gradient caching", partial(
        pretrained, optimisation=replace(STEPS, micro_batch=3), batch_norm=False
    )
    order = np.random.default_rng([0, 0]).permutation(48)
    broken = order[12:18].tolist() + order[24:26].tolist()  # all of a rank's share; a part of one
    yield "unreadable images", partial(pretrained, train=replace(cohort(), images=Holes(cohort().images, broken)))
    yield "uneven shares", partial(
        pretrained, optimisation=replace(STEPS, batch_size=5, epochs=2), train=cohort(43)
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
    if rank() == 0:
        worst = {
            name: {key: max(own[name][key] for own in everywhere) for key in found[name]}
            for name in found
        }
        (folder / "found.json").write_text(json.dumps(worst))


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with ranks(silent=60):
        globals()[what](Path(folder))
