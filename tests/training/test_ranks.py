"""Two ranks train what one trains; a rank that ends ends the others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from vesalius.objectives import OBJECTIVES

TOGETHER = Path(__file__).with_name("two_ranks.py")


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def start(what, folder, ranks=2):
    """Start the ranks of a job, each a process that knows its place as torchrun would tell it."""
    port = str(free_port())
    return [
        subprocess.Popen(
            [sys.executable, str(TOGETHER), what, str(folder)],
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(ranks)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which two ranks did everything; ``found.json`` says what came out."""
    folder = tmp_path_factory.mktemp("ranks")
    said = outcomes(start("everything", folder))
    assert [code for _, code in said] == [0, 0], said
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "found.json").read_text())


def outcomes(jobs):
    """Return what each rank said at its end; none takes longer than two minutes."""
    return [(job.communicate(timeout=120)[1], job.returncode) for job in jobs]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_ranks_train_what_one_does_with_every_objective(name, found):
    assert found["trainings"][f"pretrain {name}"]["loss"] < 1e-6
    assert found["trainings"][f"pretrain {name}"]["weights"] < 1e-6


@pytest.mark.parametrize(
    "name",
    ["averaged weights, a size that was found", "gradient caching", "unreadable images",
     "uneven shares", "fine_tune multilabel", "fine_tune multiclass"],
)  # fmt: skip
def test_two_ranks_train_what_one_does_also_with(name, found):
    assert found["trainings"][name]["loss"] < 1e-6
    assert found["trainings"][name]["weights"] < 1e-6


def test_ctrl_c_on_one_rank_stops_all_and_one_rank_goes_on_exactly(found):
    stopped = found["stopped"]
    assert (stopped["epoch"], stopped["step"]) == (1, 3)
    assert stopped["loss"] < 1e-6
    assert stopped["weights"] < 1e-6


def test_what_is_not_finite_on_one_rank_ends_all_with_the_same_error(found):
    one, other = found["not finite"]
    assert one == other
    assert "TrainingError: the loss is nan in epoch 2, step 1" in one


def test_two_ranks_embed_the_same_bytes_as_one(folder):
    one, two = (
        {
            str(path.relative_to(folder / name)): path.read_bytes()
            for path in (folder / name).rglob("*")
            if path.is_file() and len(path.stem) != 16  # chunks of the store have random names
        }
        for name in ("one rank", "two ranks")
    )
    assert len(one) == 5 * 2 + 2 + 1  # rows and values; a key each; what was skipped
    assert one == two


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_others_with_a_clear_error_and_a_whole_checkpoint(killed, tmp_path):
    jobs = start("endless", tmp_path)
    for _ in range(600):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.1)
    os.kill(jobs[killed].pid, signal.SIGKILL)
    began = time.monotonic()
    said, code = outcomes(jobs)[1 - killed]
    assert time.monotonic() - began < 30
    assert code == 1
    assert f"RankError: rank {1 - killed} of 2 lost the others" in said
    path = tmp_path / "fit" / "last.safetensors"
    assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    with safe_open(path, framework="pt") as opened:
        assert json.loads(opened.metadata()["vesalius"])["progress"]["epoch"] >= 1
