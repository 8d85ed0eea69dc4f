"""A training that was killed anywhere ends bit-identical to one that was not."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from vesalius.training import Optimisation, checkpoint, loop, pretrain, running

KILLS = int(os.environ.get("VESALIUS_KILLS", "20"))
SHORT = Optimisation(epochs=3, batch_size=16, learning_rate=1e-2, micro_batch=8, ema=0.9, clip=1.0)


class Fuse:
    """Counts places that the training passes, and kills the process at one of them."""

    def __init__(self, kill_at=None):
        self.passed, self.kill_at = [], kill_at

    def __call__(self, place):
        if self.kill_at == len(self.passed):
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(place)


def wire(fuse, order_file):
    """Put the fuse into steps and saves of this (forked) process; note the sample order."""
    running.SAVING_SHARE = 0
    step, save, put = loop.take_step, safetensors.torch.save_file, Path.replace

    def take_step(run, group, parts, number):
        fuse("before a step")
        with order_file.open("a") as file:
            rows = [batch[0].tolist() for batch in parts]
            file.write(json.dumps([run.progress.epoch, number, rows]) + "\n")
        result = step(run, group, parts, number)
        fuse("after a step")
        return result

    def save_file(tensors, path, metadata):
        fuse("in a save: empty file")
        save(tensors, path, metadata)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        fuse("in a save: half a file")
        path.write_bytes(whole)
        fuse("in a save: whole, not yet in place")

    def replace_path(path, target):
        found = put(path, target)
        if target.suffix == ".safetensors":
            fuse("in a save: in place")
        return found

    loop.take_step = take_step
    safetensors.torch.save_file = save_file
    Path.replace = replace_path


def outcome(folder):
    """Return all that a training left: tensors of both checkpoints, progress, history, order."""
    last = safetensors.torch.load_file(folder / "last.safetensors")
    with safetensors.safe_open(folder / "last.safetensors", framework="pt") as opened:
        progress = json.loads(opened.metadata()["vesalius"])["progress"]
    progress.pop("seconds")
    for entry in progress["history"]:
        entry.pop("seconds")
    best = safetensors.torch.load_file(folder / f"best-{progress['best_epoch']}.safetensors")
    lines = [json.loads(line) for line in (folder / "order.txt").read_text().splitlines()]
    order = {(epoch, number): rows for epoch, number, rows in lines}
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for line in log:
        line.pop("seconds", None)
    return {**last, **{f"best {k}": v for k, v in best.items()}}, progress, order, log


@pytest.fixture
def train(make_micro, make_cohort, conditions, in_child):
    quick = replace(conditions, folder=conditions.folder / "imports")  # once, not in every child
    pretrain(make_micro(), make_cohort(), make_cohort(), conditions=quick, optimisation=SHORT)

    def run(folder, kill_at=None):
        """Train in a child; return its status and the places that it passed."""
        folder.mkdir(parents=True, exist_ok=True)
        fuse = Fuse(kill_at)

        def child():
            wire(fuse, folder / "order.txt")
            pretrain(
                make_micro(),
                make_cohort(60),
                make_cohort(16, 1),
                conditions=replace(conditions, folder=folder, save_every=0.0),
                optimisation=SHORT,
            )
            (folder / "places.json").write_text(json.dumps(fuse.passed))

        return in_child(child)

    return run


def test_killed_anywhere_it_goes_on_bit_identically(train, tmp_path):
    assert train(tmp_path / "whole") == 0
    expected = outcome(tmp_path / "whole")
    places = json.loads((tmp_path / "whole" / "places.json").read_text())
    rng = np.random.default_rng(0)
    saving = [i for i, place in enumerate(places) if "save" in place]
    stepping = [i for i, place in enumerate(places) if "save" not in place]
    kills = [
        *rng.choice(saving, KILLS // 2, replace=False),
        *rng.choice(stepping, KILLS - KILLS // 2),
    ]
    for number, kill_at in enumerate(int(k) for k in kills):
        folder = tmp_path / str(number)
        status = train(folder, kill_at)
        assert os.WIFSIGNALED(status), places[kill_at]
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert train(folder) == 0, places[kill_at]
        tensors, *rest = outcome(folder)
        assert tensors.keys() == expected[0].keys()
        for name, value in tensors.items():
            assert torch.equal(value, expected[0][name]), (name, places[kill_at])
        assert rest == list(expected[1:]), places[kill_at]
        left = sorted(path.name for path in folder.glob("*.safetensors"))
        assert left == [f"best-{rest[0]['best_epoch']}.safetensors", "last.safetensors"]
        assert not list(folder.glob(".*"))


def test_killed_again_and_again_it_still_arrives(train, tmp_path):
    """Every life of the process passes a few places only."""
    assert train(tmp_path / "whole") == 0
    lives = 0
    while train(tmp_path / "often", kill_at=17) != 0:
        lives += 1
        assert lives < 30
    assert lives >= 3
    for name, value in outcome(tmp_path / "often")[0].items():
        assert torch.equal(value, outcome(tmp_path / "whole")[0][name])


def test_an_epoch_is_logged_before_its_checkpoint_is_there(
    micro, make_cohort, conditions, monkeypatch, caplog
):
    """A kill right after the save must not leave a trained epoch that no log knows of."""
    logged = []

    def save(self, module, optimiser, progress):
        logged.append((progress.epoch, caplog.text.count("validation")))

    monkeypatch.setattr(checkpoint.Checkpoints, "save", save)
    caplog.set_level("INFO")
    pretrain(
        micro, make_cohort(), make_cohort(16, seed=1), optimisation=SHORT, conditions=conditions
    )
    assert logged == [(epoch, epoch) for epoch in (1, 2, 3)]
