"""What stops a training leaves its last checkpoint whole and says what happened."""

import errno
import json
import os
import resource
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vesalius.core import TrainingError, VesaliusError
from vesalius.training import Optimisation, loop, pretrain, running
from vesalius.training.checkpoint import only_one
from vesalius.training.interrupt import Interrupt
from vesalius.training.tracking import Track

QUICK = Optimisation(epochs=2, batch_size=16, learning_rate=1e-2)


@pytest.fixture
def every_step(monkeypatch, conditions):
    monkeypatch.setattr(running, "SAVING_SHARE", 0)
    return replace(conditions, save_every=0.0)


def poisoned(model, on_call):
    """The image tower gives NaN from one call on."""
    calls, encode = [], model.encode_image

    def encode_image(pixels):
        calls.append(len(pixels))
        out = encode(pixels)
        return out * float("nan") if len(calls) >= on_call else out

    model.encode_image = encode_image
    return model


def test_a_nan_loss_stops_at_once_and_names_the_cases(micro, make_cohort, every_step):
    path = every_step.folder / "last.safetensors"
    cases = make_cohort(48)
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1, step 3") as caught:
        pretrain(
            poisoned(micro, 3), cases, make_cohort(16, 1), conditions=every_step, optimisation=QUICK
        )
    named = str(caught.value).partition("cases: ")[2].split(", ")
    assert len(named) == 16
    assert set(named) <= set(cases.case_ids.tolist())
    with torch_safe(path) as opened:
        assert json.loads(opened.metadata()["vesalius"])["progress"]["step"] == 2
        assert all(opened.get_tensor(name).isfinite().all() for name in opened.keys())  # noqa: SIM118


def test_after_a_nan_the_training_goes_on_from_the_last_good_step(
    make_micro, make_cohort, every_step
):
    cases = make_cohort(48), make_cohort(16, 1)
    whole = make_micro()
    other = replace(every_step, folder=every_step.folder / "whole")
    pretrain(whole, *cases, conditions=other, optimisation=QUICK)
    with pytest.raises(TrainingError):
        pretrain(poisoned(make_micro(), 2), *cases, conditions=every_step, optimisation=QUICK)
    mended = make_micro()
    pretrain(mended, *cases, conditions=every_step, optimisation=QUICK)
    for name, value in mended.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])


def test_a_gradient_that_is_not_finite_is_not_stepped(micro, make_cohort, every_step):
    """The loss is finite, its gradient is not: the weights would be NaN after the step."""
    before = {name: value.clone() for name, value in micro.named_parameters()}
    encode = micro.encode_text
    micro.encode_text = lambda texts: encode(texts) + (encode(texts) * 0).sqrt().nan_to_num() * 0

    with pytest.raises(TrainingError, match="gradient's length is (nan|inf)"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1), conditions=every_step, optimisation=QUICK
        )
    assert all(torch.equal(value, before[name]) for name, value in micro.named_parameters())


def test_ctrl_c_saves_and_the_training_goes_on_exactly(
    make_micro, make_cohort, conditions, monkeypatch
):
    cases = make_cohort(48), make_cohort(16, 1)
    whole, stopped = make_micro(), make_micro()
    other = replace(conditions, folder=conditions.folder / "whole")
    pretrain(whole, *cases, conditions=other, optimisation=QUICK)
    take_step, steps = loop.take_step, []

    def pressed(run, *batch):
        steps.append(batch)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(run, *batch)

    monkeypatch.setattr(loop, "take_step", pressed)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pretrain(stopped, *cases, conditions=replace(conditions, workers=1), optimisation=QUICK)
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(steps) == 2
    again = make_micro()
    pretrain(again, *cases, conditions=conditions, optimisation=QUICK)
    assert len(steps) == 6
    for name, value in again.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])


def test_a_second_ctrl_c_does_not_wait():
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with Interrupt() as interrupt, pytest.raises(KeyboardInterrupt):
        twice()
    assert interrupt.asked


def test_a_training_in_a_thread_leaves_signals_alone(micro, make_cohort, conditions):
    thread = threading.Thread(
        target=pretrain,
        args=(micro, make_cohort(), make_cohort(16, 1)),
        kwargs={"conditions": conditions, "optimisation": QUICK},
    )
    thread.start()
    thread.join()
    assert (conditions.folder / "last.safetensors").exists()


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(
    make_micro, make_cohort, every_step, in_child, tmp_path
):
    """A limit on file size stands for the full disk; it falls after the first save."""
    message = tmp_path / "message.txt"

    def child():
        save, saves = running.Checkpoints.save, []

        def limited(*args):
            if saves:
                resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
            saves.append(1)
            save(*args)

        running.Checkpoints.save = limited
        try:
            pretrain(
                make_micro(), make_cohort(), make_cohort(16, 1),
                conditions=every_step, optimisation=QUICK,
            )  # fmt: skip
        except Exception as error:
            message.write_text(f"{type(error).__name__}: {error}")

    assert in_child(child) == 0
    assert message.read_text().startswith("VesaliusError: cannot write")
    with torch_safe(every_step.folder / "last.safetensors") as opened:
        assert json.loads(opened.metadata()["vesalius"])["progress"]["step"] == 1


@pytest.mark.parametrize("save", ["save", "save_best"])
def test_no_space_left_is_said_and_leaves_what_was_there(
    save, micro, make_cohort, every_step, monkeypatch
):
    """The disk is full from the second epoch's first save of this kind on; half a file is there."""
    whole, write = getattr(running.Checkpoints, save), safetensors.torch.save_file
    before = {}

    def no_space(tensors, path, metadata):
        write(tensors, path, metadata)
        os.truncate(path, path.stat().st_size // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(self, *args):
        if (self.folder / "best-1.safetensors").exists():
            before.update({path: path.read_bytes() for path in self.folder.glob("*.safetensors")})
            monkeypatch.setattr(safetensors.torch, "save_file", no_space)
        whole(self, *args)

    monkeypatch.setattr(running.Checkpoints, save, full)
    with pytest.raises(VesaliusError, match=r"cannot write .*safetensors: No space left on device"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1), conditions=every_step,
            optimisation=replace(QUICK, epochs=4),
        )  # fmt: skip
    assert len(before) == 2
    assert {path: path.read_bytes() for path in before} == before
    assert not list(every_step.folder.glob(".*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_on_a_full_disk_is_said(tmp_path):
    with Track(tmp_path) as track:
        track._file.close()
        track._file = Path("/dev/full").open("a")  # noqa: SIM115
        with pytest.raises(TrainingError, match="cannot write .*: No space left on device"):
            track.write(epoch=1, step=1, step_loss=0.5)


def test_a_folder_that_cannot_be_written_is_named(micro, make_cohort, conditions, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(TrainingError, match=f"cannot write into {folder}"):
            pretrain(
                micro, make_cohort(), make_cohort(16, 1),
                conditions=replace(conditions, folder=folder), optimisation=QUICK,
            )  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(micro, make_cohort, conditions):
    conditions.folder.mkdir(mode=0o555)
    with pytest.raises(TrainingError, match="cannot write into .*: Permission denied"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK
        )


def test_ctrl_c_while_the_average_is_validated_saves_the_weights_under_way(
    make_micro, make_cohort, conditions, monkeypatch
):
    cases, optimisation = (make_cohort(48), make_cohort(16, 1)), replace(QUICK, ema=0.9)
    whole = make_micro()
    other = replace(conditions, folder=conditions.folder / "whole")
    pretrain(whole, *cases, conditions=other, optimisation=optimisation)
    measured = loop.measured

    def pressed(run, *batch):
        os.kill(os.getpid(), signal.SIGINT)
        return measured(run, *batch)

    monkeypatch.setattr(loop, "measured", pressed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(make_micro(), *cases, conditions=conditions, optimisation=optimisation)
    monkeypatch.undo()
    again = make_micro()
    pretrain(again, *cases, conditions=conditions, optimisation=optimisation)
    for name, value in again.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])


def test_two_processes_do_not_train_in_one_folder(tmp_path, in_child):
    def child():
        with pytest.raises(TrainingError, match="another process"), only_one(tmp_path):
            os._exit(2)

    with only_one(tmp_path):
        assert in_child(child) == 0


def test_a_broken_checkpoint_is_named_not_trusted(micro, make_cohort, conditions):
    conditions.folder.mkdir()
    (conditions.folder / "last.safetensors").write_bytes(b"cos\nsystem\n(S'true'\ntR." * 9)
    with pytest.raises(TrainingError, match="last.safetensors is not a checkpoint"):
        pretrain(
            micro, make_cohort(), make_cohort(16, 1), conditions=conditions, optimisation=QUICK
        )


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_cases_are_refused(n, micro, make_cohort, conditions):
    cases = make_cohort(8)
    with pytest.raises(Exception, match="no texts|2 or more"):
        pretrain(micro, cases.select(range(n)), cases, conditions=conditions, optimisation=QUICK)


def torch_safe(path):
    from safetensors import safe_open

    return safe_open(path, framework="pt")
