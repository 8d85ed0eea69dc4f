"""The average of the weights: its closed form, and what is validated, kept and given back."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from vesalius.core import TrainingError
from vesalius.training import Optimisation, loop, pretrain
from vesalius.training.ema import Average

QUICK = Optimisation(epochs=2, batch_size=16, learning_rate=1e-2, ema=0.9)


def test_it_has_its_closed_form():
    module = nn.Linear(2, 1, dtype=torch.float64)
    average = Average(module, 0.25)
    expected = module.weight.detach().clone()
    for step in range(1, 9):
        with torch.no_grad():
            module.weight.add_(step)
        average.update(step)
        decay = min(0.25, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    torch.testing.assert_close(average.tensors["weight"], expected)


def test_a_decay_of_zero_is_the_weights_themselves():
    module = nn.Linear(2, 1)
    average = Average(module, 0.0)
    with torch.no_grad():
        module.weight.add_(1)
    average.update(1)
    assert torch.equal(average.tensors["weight"], module.weight)


def test_the_weights_come_back_exactly_also_after_an_error():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    module[0].weight.requires_grad_(False)
    average = Average(module, 0.5)
    assert "0.weight" not in average.tensors, "what does not learn needs no average"
    with torch.no_grad():
        module[1].weight.add_(torch.randn(1, 3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with average.in_place():
        assert torch.equal(module[1].weight, average.tensors["1.weight"])
    with pytest.raises(ZeroDivisionError), average.in_place():
        1 / 0  # noqa: B018
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_average_is_what_is_validated_and_kept(micro, make_cohort, conditions, monkeypatch):
    seen, measured = [], loop.measured

    def noted(run, *batch):
        seen.append(run.task.module.image[1].weight.detach().clone())
        return measured(run, *batch)

    monkeypatch.setattr(loop, "measured", noted)
    fit = pretrain(
        micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK
    )
    assert fit.best_epoch == 2, "else the last average is not the best"
    last = load_file(conditions.folder / "last.safetensors")
    assert torch.equal(seen[-1], last["average/image.1.weight"])
    assert torch.equal(micro.image[1].weight, last["average/image.1.weight"])
    assert not torch.equal(micro.image[1].weight, last["module/image.1.weight"])
    assert torch.equal(micro.image[2].running_mean, last["module/image.2.running_mean"])


def test_the_weights_under_way_do_not_feel_the_average(make_micro, make_cohort, conditions):
    found = []
    for ema in (None, 0.9):
        own = replace(conditions, folder=conditions.folder / str(ema))
        pretrain(
            make_micro(), make_cohort(), make_cohort(16, 1), conditions=own,
            optimisation=replace(QUICK, ema=ema),
        )  # fmt: skip
        found.append(load_file(own.folder / "last.safetensors"))
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


@pytest.mark.parametrize("wrong", [{"ema": 1.0}, {"ema": -0.1}, {"clip": 0.0}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(TrainingError, match=f"{next(iter(wrong))} is"):
        Optimisation(**wrong)
