"""Out of memory: what fits is found, and what to turn is said."""

import os
from dataclasses import replace

import pytest
import torch

from vesalius.core import TrainingError
from vesalius.training import Optimisation, memory, pretrain
from vesalius.training.checkpoint import recorded_settings
from vesalius.training.memory import (
    available_bytes,
    forget_peak,
    is_out_of_memory,
    peak_memory_mb,
    with_sizes,
)

QUICK = Optimisation(epochs=2, batch_size=16, learning_rate=1e-2)


def bounded(model, most, error=torch.OutOfMemoryError):
    """With a gradient, the image tower holds ``most`` images and no more; it notes the sizes."""
    model.sizes, encode = [], model.encode_image

    def encode_image(pixels):
        if torch.is_grad_enabled():
            model.sizes.append(len(pixels))
            if len(pixels) > most:
                raise error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(pixels)

    model.encode_image = encode_image
    return model


def train(model, make_cohort, conditions, **changes):
    cases = make_cohort(48), make_cohort(16, 1)
    return pretrain(model, *cases, conditions=conditions, optimisation=replace(QUICK, **changes))


def test_the_largest_power_of_two_that_fits_is_the_batch(micro, make_cohort, conditions):
    fit = train(bounded(micro, 20), make_cohort, conditions, batch_size="auto")
    assert (fit.batch_size, fit.micro_batch) == (16, None)
    assert micro.sizes[:4] == [2, 4, 8, 16]
    assert micro.sizes[4] == 32, "tried, and refused"
    assert set(micro.sizes[5:]) == {16}
    assert recorded_settings(conditions.folder)["batch_size"] == 16


def test_the_largest_part_of_a_batch_that_fits_is_found(micro, make_cohort, conditions):
    fit = train(bounded(micro, 5), make_cohort, conditions, micro_batch="auto")
    assert (fit.batch_size, fit.micro_batch) == (16, 4)
    assert max(micro.sizes[-12:]) == 4


def test_a_batch_that_fits_is_not_cut(make_micro, make_cohort, conditions):
    for most in (24, 99):
        folder = conditions.folder / str(most)
        fit = train(
            bounded(make_micro(), most), make_cohort, replace(conditions, folder=folder),
            batch_size=24, micro_batch="auto",
        )  # fmt: skip
        assert fit.micro_batch == 24


@pytest.mark.parametrize("name", ["batch_size", "micro_batch"])
def test_a_found_size_trains_as_a_given_one_and_is_kept(name, make_micro, make_cohort, conditions):
    """The search leaves no trace in weights, batch statistics or random numbers."""
    found = bounded(make_micro(), 9)
    size = getattr(train(found, make_cohort, conditions, **{name: "auto"}), name)
    given = make_micro()
    folder = conditions.folder / "given"
    train(given, make_cohort, replace(conditions, folder=folder), **{name: size})
    for key, value in given.state_dict().items():
        assert torch.equal(value, found.state_dict()[key]), key
    again = bounded(make_micro(), 3)  # less room now: the number is that of the checkpoint
    assert getattr(train(again, make_cohort, conditions, **{name: "auto"}), name) == size
    assert again.sizes == []


def test_not_even_two(micro, make_cohort, conditions):
    with pytest.raises(TrainingError, match="not even two cases fit"):
        train(bounded(micro, 1), make_cohort, conditions, batch_size="auto")


def test_on_a_cpu_a_step_that_would_not_fit_is_not_tried(
    micro, make_cohort, conditions, monkeypatch
):
    """Each case needs 10 bytes and there is room for 100: 8 are tried, 16 are foreseen."""
    monkeypatch.setattr(memory, "available_bytes", lambda: 100 / memory.SHARE)
    peaks = iter([0.0, 20.0, 40.0, 80.0])
    monkeypatch.setattr(memory, "_of_process", lambda name: next(peaks, 80.0))
    fit = train(bounded(micro, 99), make_cohort, conditions, batch_size="auto")
    assert fit.batch_size == 8
    assert max(micro.sizes) == 8


def test_other_errors_of_a_trial_are_not_taken_for_memory(micro, make_cohort, conditions):
    with pytest.raises(RuntimeError, match="out of memory"):
        train(bounded(micro, 4, RuntimeError), make_cohort, conditions, batch_size="auto")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "16 cases at a time: try micro_batch=8 "),
        ({"micro_batch": 8}, "8 cases at a time: try micro_batch=4 "),
        ({"micro_batch": 2}, "2 cases at a time: try recompute=true, then precision=bf16"),
    ],
)
def test_out_of_memory_says_what_to_turn_and_leaves_the_checkpoint(
    changes, said, make_micro, make_cohort, conditions
):
    every_step = replace(conditions, save_every=0.0)
    train(make_micro(), make_cohort, every_step, **changes, epochs=1)
    path = conditions.folder / "last.safetensors"
    other = replace(every_step, folder=conditions.folder / "other")
    with pytest.raises(TrainingError, match=said):
        train(bounded(make_micro(), 1), make_cohort, other, **changes)
    before = path.read_bytes()
    assert len(before) > 0
    with pytest.raises(TrainingError, match="settings"):
        train(bounded(make_micro(), 1), make_cohort, every_step, **changes)
    assert path.read_bytes() == before


def test_memory_that_runs_out_later_leaves_the_last_good_step(
    make_micro, make_cohort, conditions, monkeypatch
):
    from vesalius.training import running

    monkeypatch.setattr(running, "SAVING_SHARE", 0)
    every_step = replace(conditions, save_every=0.0)
    model = make_micro()
    encode, calls = model.encode_image, []

    def encode_image(pixels):
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return encode(pixels)

    model.encode_image = encode_image
    with pytest.raises(TrainingError, match="last checkpoint is as it was"):
        train(model, make_cohort, every_step)
    resumed, whole = make_micro(), make_micro()
    train(resumed, make_cohort, every_step)
    train(whole, make_cohort, replace(conditions, folder=conditions.folder / "whole"))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_what_counts_as_out_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value), "the CPU's own message"
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_the_memory_of_this_process_is_told():
    assert 50 < peak_memory_mb("cpu") < 2**20
    assert available_bytes() > 2**20


def test_both_sizes_cannot_be_found_at_once():
    with pytest.raises(TrainingError, match="cannot both be auto"):
        Optimisation(batch_size="auto", micro_batch="auto")
    with pytest.raises(TrainingError, match="'all', not a number or auto"):
        Optimisation(batch_size="all")


def test_sizes_that_are_given_are_not_searched_for(conditions):
    assert with_sizes(None, QUICK, conditions) is QUICK


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system cannot forget a peak"
)
def test_a_peak_that_went_by_is_forgotten_and_a_new_one_is_seen():
    ballast = torch.ones(64 * 2**20)
    del ballast  # 256 MB, given back
    with_it = peak_memory_mb("cpu")
    forget_peak("cpu")
    without = peak_memory_mb("cpu")
    assert without < with_it - 200
    ballast = torch.ones(32 * 2**20)
    assert without + 100 < peak_memory_mb("cpu") < with_it
    assert len(ballast)
