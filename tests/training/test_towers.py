"""Layout, compilation and recomputing change how a tower runs, not what it learns."""

import os
import signal
from dataclasses import replace

import pytest
import timm
import torch
from torch import nn

from vesalius.core import TrainingError
from vesalius.training import Optimisation, loop, pretrain
from vesalius.training.towers import arranged, towers

QUICK = Optimisation(epochs=2, batch_size=16, learning_rate=1e-2)


def convolutional(model):
    """Give a micro encoder an image tower with overlapping convolutions."""
    torch.manual_seed(0)
    model.image = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2),
        nn.Flatten(), nn.LazyLinear(8),
    )  # fmt: skip
    model.image(torch.zeros(2, 1, 8, 8))
    return model


def small_vit():
    torch.manual_seed(0)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=6, embed_dim=16, num_heads=2, num_classes=0
    )


def test_kernels_lie_channels_last_while_trained_and_not_after(make_micro, conditions):
    model = convolutional(make_micro())
    kernel = model.image[3].weight
    with arranged(model, conditions):
        assert kernel.is_contiguous(memory_format=torch.channels_last)
        assert not kernel.is_contiguous()
    assert kernel.is_contiguous()


def test_a_patch_embedding_stays_as_it_is(conditions):
    model = nn.ModuleList([small_vit()])
    with arranged(model, conditions):
        assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_channels_last_also_resumes_bit_identically(
    make_micro, make_cohort, conditions, monkeypatch
):
    """The optimiser's state comes back in the layout of the weights."""
    cases = make_cohort(48), make_cohort(16, 1)
    whole = convolutional(make_micro())
    other = replace(conditions, folder=conditions.folder / "whole")
    pretrain(whole, *cases, conditions=other, optimisation=QUICK)
    take_step, steps = loop.take_step, []

    def pressed(run, *batch):
        steps.append(1)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(run, *batch)

    monkeypatch.setattr(loop, "take_step", pressed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(convolutional(make_micro()), *cases, conditions=conditions, optimisation=QUICK)
    again = convolutional(make_micro())
    pretrain(again, *cases, conditions=conditions, optimisation=QUICK)
    for name, value in again.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_recomputing_gives_the_same_gradient_from_fewer_activations(conditions):
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gradients, kept = [], []
    for recompute in (False, True):
        model = nn.ModuleDict({"image": small_vit()})
        saved = []
        with (
            arranged(model, replace(conditions, recompute=recompute)),
            torch.autograd.graph.saved_tensors_hooks(
                lambda value, saved=saved: saved.append(value.numel()) or value, lambda value: value
            ),
        ):
            loss = model["image"](pixels).square().sum()
            kept.append(sum(saved))
            loss.backward()
        assert not model["image"].grad_checkpointing
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert kept[1] < kept[0] / 2
    torch.testing.assert_close(*gradients)


def test_what_cannot_recompute_says_so(micro, make_cohort, conditions):
    with pytest.raises(TrainingError, match="recompute: no tower .* micro_batch saves memory"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1),
            conditions=replace(conditions, recompute=True), optimisation=QUICK,
        )  # fmt: skip


def test_batch_statistics_are_not_counted_twice_by_recomputing(conditions):
    resnet = nn.ModuleList([timm.create_model("resnet10t", num_classes=0)])
    with (
        pytest.raises(TrainingError, match="no tower"),
        arranged(resnet, replace(conditions, recompute=True)),
    ):
        pass


def test_an_encoders_parts_are_its_towers(micro):
    classifier = nn.ModuleDict({"encoder": micro, "head": nn.Linear(8, 4)})
    assert towers(micro) == [micro.image, micro.text]
    assert towers(classifier) == [micro.image, micro.text, classifier["head"]]


@pytest.fixture
def compiled(monkeypatch):
    """Compile by a backend of the test's own; return the sizes of the graphs that it got."""
    graphs = []

    def backend(graph, examples):
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend=backend))
    yield graphs
    torch.compiler.reset()


def test_compiled_towers_learn_the_same_under_the_same_names(
    compiled, make_micro, make_cohort, conditions
):
    found = []
    for compile_ in (False, True):
        own = replace(conditions, folder=conditions.folder / str(compile_), compile=compile_)
        model = make_micro()
        pretrain(model, make_cohort(), make_cohort(16, 1), conditions=own, optimisation=QUICK)
        assert bool(compiled) is compile_
        assert all(part._compiled_call_impl is None for part in model.modules())
        found.append(model.state_dict())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_compiled_says_so(micro, make_cohort, conditions, monkeypatch):
    def broken(graph, examples):
        raise RuntimeError("no compiler here")

    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend=broken))
    with pytest.raises(TrainingError, match="cannot be compiled here; train it with compile=false"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1),
            conditions=replace(conditions, compile=True), optimisation=QUICK,
        )  # fmt: skip
    torch.compiler.reset()
