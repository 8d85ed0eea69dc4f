"""An objective gets what it reads, its own settings, and a model that fits it."""

from math import exp, log

import pytest
import torch
from torch import nn

from vesalius.core import ChoiceError, TrainingError
from vesalius.training import contrast
from vesalius.training.contrast import Contrast, bound


def sigmoids(image_BD, text_BD, *, logit_scale, logit_bias, tile=None):
    return logit_scale * (image_BD * text_BD).sum() + logit_bias


def own_temperature(image_BD, text_BD, *, temperature=0.5, groups_B):
    return (image_BD * text_BD).sum() / temperature + groups_B.sum()


def findings(image_BD, text_BD, *, image_findings_BF, text_findings_BF, logit_scale):
    return (image_findings_BF * text_findings_BF).sum() * logit_scale


@pytest.fixture(autouse=True)
def _objectives(monkeypatch):
    known = {"sigmoids": sigmoids, "own": own_temperature, "findings": findings}
    monkeypatch.setattr(contrast, "find_objective", lambda name: known[name])


def test_sigmoids_start_at_scale_ten_and_bias_minus_ten(micro):
    micro.logit_bias = None
    Contrast.of("sigmoids").prepare(micro)
    assert micro.logit_scale.exp().item() == pytest.approx(10)
    assert micro.logit_bias.item() == -10
    assert isinstance(micro.logit_bias, nn.Parameter)


def test_a_model_that_learnt_with_sigmoids_goes_on_from_its_own_bias(micro):
    micro.logit_bias = nn.Parameter(torch.tensor(-12.9))
    Contrast.of("sigmoids").prepare(micro)
    assert micro.logit_bias.item() == pytest.approx(-12.9)
    assert micro.logit_scale.item() == pytest.approx(2.66)


def test_softmax_takes_a_bias_away_and_keeps_the_scale(micro):
    micro.logit_bias = nn.Parameter(torch.tensor(-12.9))
    Contrast.of("findings").prepare(micro)
    assert micro.logit_bias is None
    assert micro.logit_scale.item() == pytest.approx(2.66)


@pytest.mark.parametrize(("given", "scale"), [({}, 2.0), ({"temperature": 0.1}, 10.0)])
def test_a_temperature_of_the_objectives_own_becomes_the_scale(given, scale, micro):
    Contrast.of("own", given).prepare(micro)
    assert micro.logit_scale.exp().item() == pytest.approx(scale)


def test_an_objective_takes_only_what_it_reads(micro):
    ones = torch.ones(2, 3)
    beside = {"groups_B": torch.tensor([1.0, 2.0]), "image_findings_BF": 2 * ones,
              "text_findings_BF": ones}  # fmt: skip
    micro.logit_bias = nn.Parameter(torch.tensor(-1.0))
    scale = exp(2.66)
    values = {name: float(Contrast.of(name)(micro, ones, ones, **beside).detach())
              for name in ("sigmoids", "own", "findings")}  # fmt: skip
    assert values == pytest.approx({"sigmoids": 6 * scale - 1, "own": 15, "findings": 12 * scale})


@pytest.mark.parametrize("wrong", ["temprature", "logit_scale", "groups_B"])
def test_a_setting_that_is_none_of_the_objectives_own_is_refused(wrong):
    with pytest.raises(ChoiceError, match=f"setting of own.*{wrong}.*temperature"):
        Contrast.of("own", {wrong: 1})


def test_a_temperature_of_zero_is_refused(micro):
    with pytest.raises(TrainingError, match="temperature is 0.0"):
        Contrast.of("own", {"temperature": 0}).prepare(micro)


@pytest.mark.parametrize(("before", "after"), [(-3.0, 0.0), (9.0, log(100)), (2.0, 2.0)])
def test_the_scale_stays_within_one_and_a_hundred(before, after, micro):
    with torch.no_grad():
        micro.logit_scale.fill_(before)
    bound(micro)
    assert micro.logit_scale.item() == pytest.approx(after)
