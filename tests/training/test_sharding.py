"""Sharded towers learn what whole ones do, and come back as they were."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from vesalius.training.sharding import dealt, own_part, sharded, total_norm, whole

TOGETHER = Path(__file__).with_name("sharded_ranks.py")
TRAININGS = ("blocks", "two texts", "no blocks", "clip and ema", "gradient caching", "lars",
             "a locked tower, known beforehand", "last blocks", "lora", "fine_tune")  # fmt: skip


def start(what, folder):
    """Start two ranks, each a process that knows its place as torchrun would tell it."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port = str(opened.getsockname()[1])
    return [
        subprocess.Popen(
            [sys.executable, str(TOGETHER), what, str(folder)],
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return what each of two ranks found when they did everything."""
    folder = tmp_path_factory.mktemp("sharded")
    jobs = start("everything", folder)
    said = [(job.communicate(timeout=240)[1], job.returncode) for job in jobs]
    assert [code for _, code in said] == [0, 0], said
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", TRAININGS)
def test_sharded_towers_learn_what_whole_ones_do_and_come_back_plain(name, found):
    for of_rank in found:
        own = of_rank["trainings"][name]
        assert own["loss"] < 1e-9
        assert own["weights"] < 1e-9
        assert own["trainable"] == 0
        assert own["plain"]


@pytest.mark.parametrize("name", ["no blocks", "last blocks", "fine_tune"])
def test_a_rank_holds_about_half_of_the_weights_while_it_trains(name, found):
    for of_rank in found:
        assert of_rank["trainings"][name]["held"] < 0.65


@pytest.mark.parametrize("name", ["True False", "False True", "one rank"])
def test_a_stopped_training_goes_on_sharded_or_not_on_any_number_of_ranks(name, found):
    assert found[0]["gone on"][name]["loss"] < 1e-9
    assert found[0]["gone on"][name]["weights"] < 1e-9


def test_what_does_not_go_together_says_so(found):
    for of_rank in found:
        said = of_rank["errors"]
        assert "TrainingError: shard and compile do not go together" in said["compile"]
        assert "TrainingError: shard: micro_batch=auto" in said["auto"]


def test_after_an_error_the_towers_are_plain_and_have_the_weights_they_began_with(found):
    for of_rank in found:
        said = of_rank["errors"]
        assert "TrainingError: the loss is nan in epoch 1, step 3" in said["nan"]
        assert said["plain"]
        assert said["as begun"]


def test_a_killed_rank_ends_the_other_with_a_clear_error(tmp_path):
    jobs = start("endless", tmp_path)
    for _ in range(600):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.1)
    os.kill(jobs[1].pid, signal.SIGKILL)
    said = jobs[0].communicate(timeout=60)[1]
    assert jobs[0].returncode == 1
    assert "RankError: rank 0 of 2 lost the others" in said


def test_one_rank_shards_nothing(micro, conditions):
    value = torch.tensor([3.0, 4.0])
    with sharded(micro, conditions) as stand_ins:
        assert stand_ins == {}
    assert own_part(value) is value
    assert dealt(value, torch.zeros(2)) is value
    assert whole({"a": value})["a"] is value
    assert total_norm([value, torch.tensor(12.0)]) == 13.0
