"""Views teach an image tower: the loss falls, resuming is exact, other parts stay as they were."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vesalius.core import ChoiceError, TrainingError
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.training import Optimisation, pretrain_views, self_supervised_optimisation
from vesalius.training import self_supervised as room

QUICK = Optimisation(epochs=3, batch_size=16, learning_rate=0.5, weight_decay=1e-6,
                     optimiser="lars")  # fmt: skip
SMALL = (16, 8)


@pytest.fixture
def make_seeing(make_micro):
    """A micro encoder that sees three channels, prepared as the real ones are."""

    def make():
        model = make_micro()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model.image = nn.Sequential(
                nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
                nn.Linear(6 * 64, 8),
            )  # fmt: skip
        model.preprocess = Preprocessing.usual(8)
        return model

    return make


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("method", ["simclr", "barlow_twins"])
def test_the_validation_loss_falls_and_only_the_image_tower_moves(
    make_seeing, make_cohort, conditions, method
):
    model = make_seeing()
    before = weights(model)
    fit = pretrain_views(
        model, make_cohort(64), make_cohort(32, 1), conditions=conditions, method=method,
        optimisation=replace(QUICK, epochs=6, optimiser="adamw", learning_rate=1e-2), layers=SMALL,
        views="chest",
    )  # fmt: skip
    losses = [entry["validation_loss"] for entry in fit.history]
    assert min(losses[1:]) < losses[0]
    after = weights(model)
    assert all(
        torch.equal(before[name], after[name]) for name in before if not name.startswith("image")
    )
    assert not torch.equal(before["image.4.weight"], after["image.4.weight"])
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_stopped_training_goes_on_bit_identically(
    make_seeing, make_cohort, conditions, monkeypatch
):
    sets = make_cohort(40), make_cohort(16, 1)
    whole = make_seeing()
    pretrain_views(whole, *sets, conditions=conditions, optimisation=QUICK, layers=SMALL)
    other = replace(conditions, folder=conditions.folder.parent / "stopped", save_every=0.0)
    seen, real = [], room.apply

    def breaking(*given, **settings):
        seen.append(1)
        if len(seen) == 9:
            raise OSError("pulled out")
        return real(*given, **settings)

    monkeypatch.setattr(room, "apply", breaking)
    with pytest.raises(OSError, match="pulled out"):
        pretrain_views(make_seeing(), *sets, conditions=other, optimisation=QUICK, layers=SMALL)
    monkeypatch.setattr(room, "apply", real)
    resumed = make_seeing()
    pretrain_views(resumed, *sets, conditions=other, optimisation=QUICK, layers=SMALL)
    one, two = weights(whole), weights(resumed)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_validation_views_are_the_same_every_epoch(make_seeing, make_cohort, conditions):
    """With a rate that moves nothing, the loss differs by the batch statistics only."""
    still = replace(QUICK, learning_rate=1e-12)
    model = make_seeing()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
    losses = [
        pretrain_views(
            model, make_cohort(32), make_cohort(16, 1), conditions=replace(
                conditions, folder=conditions.folder / str(epochs)
            ), optimisation=replace(still, epochs=epochs), layers=(8,), method="barlow_twins",
        ).history[-1]["validation_loss"]
        for epochs in (1, 2)
    ]  # fmt: skip
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_rates_are_the_papers():
    assert self_supervised_optimisation("simclr", batch_size=4096).learning_rate == 4.8
    assert self_supervised_optimisation("simclr", batch_size=256).learning_rate == 1.2
    twins = self_supervised_optimisation("barlow_twins", batch_size=2048, epochs=1000)
    assert twins.learning_rate == pytest.approx(1.6)
    assert twins.warmup == 0.01


def test_biases_of_barlow_twins_learn_at_their_own_rate(
    make_seeing, make_cohort, conditions, monkeypatch
):
    caught = []
    monkeypatch.setattr(room, "fit", lambda task, **_: caught.append(task))
    for optimiser in ("lars", "adamw"):
        pretrain_views(
            make_seeing(), make_cohort(16), make_cohort(8, 1), conditions=conditions,
            method="barlow_twins", layers=SMALL, optimisation=replace(QUICK, optimiser=optimiser),
        )  # fmt: skip
    lars, adamw = (
        {(p.ndim > 1, round(rate, 9)) for p, rate in task.parameters()} for task in caught
    )
    assert lars == {(True, 0.5), (False, 0.012)}
    assert adamw == {(True, 0.5), (False, 0.5)}


def test_mistakes_are_named(micro, make_cohort, conditions):
    sets = make_cohort(16), make_cohort(8, 1)
    with pytest.raises(ChoiceError, match="simclr"):
        pretrain_views(micro, *sets, conditions=conditions, method="simclear")
    with pytest.raises(ChoiceError, match="chest"):
        pretrain_views(micro, *sets, conditions=conditions, views="chests")
    with pytest.raises(ChoiceError, match="setting of barlow_twins 'tile'.*off_diagonal_weight"):
        pretrain_views(
            micro, *sets, conditions=conditions, method="barlow_twins",
            objective_settings={"tile": 8},
        )  # fmt: skip
    with pytest.raises(TrainingError, match="code of its own"):
        pretrain_views(micro, *sets, conditions=conditions)
