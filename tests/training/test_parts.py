"""Schedule, optimiser, augmentation, log, and the shelf of public names."""

import json
import subprocess
import sys
from dataclasses import MISSING, fields
from math import cos, pi
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vesalius import training
from vesalius.core import TrainingError
from vesalius.training import Conditions, Optimisation, pretrain
from vesalius.training.augment import draw_jitter, jitter
from vesalius.training.freezing import frozen
from vesalius.training.optimiser import BUILDERS, make_optimiser, set_rate
from vesalius.training.schedule import rate_factor
from vesalius.training.settings import OPTIMISERS, SCHEDULES
from vesalius.training.tracking import Track


def test_the_cosine_has_its_closed_form():
    factors = [rate_factor(s, steps=110, warmup=10, schedule="cosine") for s in range(110)]
    assert np.allclose(factors[:10], np.arange(1, 11) / 10)
    assert np.allclose(factors[10:], [(1 + cos(pi * s / 100)) / 2 for s in range(100)])


def test_the_cosine_equals_torchs():
    parameter = nn.Parameter(torch.zeros(1))
    peer = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(peer, T_max=50)
    for step in range(50):
        ours = rate_factor(step, steps=50, warmup=0, schedule="cosine")
        assert peer.param_groups[0]["lr"] == pytest.approx(ours, abs=1e-9)
        peer.step()
        schedule.step()


def test_a_constant_rate_stays_after_its_warm_up():
    factors = [rate_factor(s, steps=6, warmup=2, schedule="constant") for s in range(6)]
    assert factors == [0.5, 1, 1, 1, 1, 1]


def test_the_linear_rate_falls_evenly_and_the_stepped_one_by_tenths():
    factors = [rate_factor(s, steps=10, warmup=2, schedule="linear") for s in range(10)]
    assert np.allclose(factors, [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    factors = [rate_factor(s, steps=100, warmup=0, schedule="step") for s in range(100)]
    assert factors == [1.0] * 50 + [0.1] * 25 + [0.01] * 25


def test_every_schedule_and_optimiser_that_is_offered_exists():
    assert set(BUILDERS) == set(OPTIMISERS)
    ends = {s: rate_factor(99, steps=100, warmup=0, schedule=s) for s in SCHEDULES}
    assert len(set(ends.values())) == len(SCHEDULES)


@pytest.mark.parametrize("kind", ["adamw", "adam"])
def test_the_fused_update_equals_the_plain_one(kind):
    """Also where the optimiser's state was saved in another memory layout than the kernel's."""
    start = torch.randn(3, 4, 3, 3, generator=draws())
    found = []
    for fused in (True, False):
        parameter = nn.Parameter(start.clone(memory_format=torch.channels_last))
        optimiser = make_optimiser([(parameter, 0.1)], Optimisation(optimiser=kind))
        assert optimiser.param_groups[0]["fused"], "on a CPU"
        optimiser.param_groups[0]["fused"] = fused
        for step in range(3):
            parameter.grad = torch.randn(start.shape, generator=draws(step))
            parameter.grad = parameter.grad.contiguous(memory_format=torch.channels_last)
            optimiser.step()
        found.append(parameter.detach())
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clip", [None, 0.5, 1e9])
def test_a_gradient_longer_than_the_bound_is_cut_to_it(
    clip, micro, make_cohort, conditions, monkeypatch
):
    lengths = []

    def noted(optimiser, closure=None):
        own = [p.grad for group in optimiser.param_groups for p in group["params"]]
        lengths.append(float(nn.utils.get_total_norm([g for g in own if g is not None])))

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    pretrain(
        micro, make_cohort(), make_cohort(16, 1), conditions=conditions,
        optimisation=Optimisation(epochs=1, batch_size=16, clip=clip),
    )  # fmt: skip
    if clip == 0.5:
        assert lengths == pytest.approx([0.5] * 3)
    else:
        assert min(lengths) > 0.5


def test_every_setting_is_explained_in_the_docs():
    """A row of the docs' tables for each field, with its default."""
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    for kind in (Optimisation, Conditions):
        for field in fields(kind):
            default = "" if field.default is MISSING else str(field.default).lower()
            assert f"\n| `{field.name}` | {default} |" in page, field.name


def test_adamw_decays_matrices_only_and_adam_everything():
    module = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    pairs = [(parameter, 0.1) for parameter in module.parameters()]
    for kind, decayed in (("adamw", 9), ("adam", 9 + 3 + 6)):
        optimiser = make_optimiser(pairs, Optimisation(optimiser=kind, weight_decay=0.5))
        counts = {
            group["weight_decay"]: sum(p.numel() for p in group["params"])
            for group in optimiser.param_groups
        }
        assert counts.pop(0.5) == decayed
        assert sum(counts.values()) == 18 - decayed


def test_each_group_keeps_its_own_rate():
    one, other = nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2, 2))
    optimiser = make_optimiser([(one, 0.1), (other, 0.01)], Optimisation())
    assert set_rate(optimiser, 0.5) == pytest.approx(0.05)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.05, 0.005])


def test_nothing_to_learn_is_an_error():
    with pytest.raises(TrainingError, match="every parameter is frozen"):
        make_optimiser([(nn.Parameter(torch.zeros(1), requires_grad=False), 0.1)], Optimisation())


def test_frozen_parameters_get_their_own_state_back_also_after_an_error():
    one = nn.Parameter(torch.zeros(1))
    other = nn.Parameter(torch.zeros(1), requires_grad=False)
    with frozen([one, other]):
        assert not one.requires_grad
    with pytest.raises(ZeroDivisionError), frozen([one, other]):
        1 / 0  # noqa: B018
    assert one.requires_grad
    assert not other.requires_grad


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_augmentation_is_drawn_from_its_generator_alone():
    pixels = torch.rand(4, 3, 16, 16, generator=draws(9))
    first, again, other = (jitter(pixels, draw_jitter(4, draws(seed))) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_augmentation_never_flips():
    """A mark on the left stays on the left, also at the strongest turn and shift."""
    pixels = torch.zeros(200, 1, 32, 32)
    pixels[:, :, :, 4:10] = 5.0
    views = jitter(pixels, draw_jitter(len(pixels), draws()))
    assert (views[..., :16].mean((1, 2, 3)) > views[..., 16:].mean((1, 2, 3)) + 1).all()


def test_augmentation_differs_from_image_to_image_and_stays_small():
    pixels = torch.rand(1, 3, 16, 16, generator=draws(9)).expand(8, -1, -1, -1)
    views = jitter(pixels, draw_jitter(len(pixels), draws()))
    assert len({float(view.sum()) for view in views}) == 8
    flat = jitter(torch.full((50, 1, 8, 8), 2.0), draw_jitter(50, draws()))
    assert (flat - 2).abs().max() <= 2 * 0.15 + 0.15 + 1e-5


def test_the_log_drops_what_will_be_written_again(tmp_path):
    with Track(tmp_path) as track:
        for step in range(1, 6):
            track.write(epoch=1, step=step, step_loss=0.5)
    path = tmp_path / "log.jsonl"
    path.write_text(path.read_text() + '{"epoch": 1, "st')
    with Track(tmp_path, epochs=0, steps=3) as track:
        track.write(epoch=1, step=4, step_loss=0.25)
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


def test_tensorboard_is_written_where_asked_for(micro, make_cohort, conditions):
    from dataclasses import replace

    pretrain(
        micro, make_cohort(), make_cohort(16, 1),
        conditions=replace(conditions, tensorboard=True), optimisation=Optimisation(epochs=1),
    )  # fmt: skip
    assert list((conditions.folder / "tensorboard").glob("events*"))


def test_every_public_name_is_there():
    for name in training.__all__:
        assert getattr(training, name) is not None


def test_importing_the_folders_loads_no_torch():
    code = (
        "import sys, vesalius.training, vesalius.objectives, vesalius.embedding, "
        "vesalius.data.loader; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
