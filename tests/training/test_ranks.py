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
def compared(tmp_path_factory):
    """Return what two ranks found in one go: how far each training is from that of one rank."""
    folder = tmp_path_factory.mktemp("ranks")
    jobs = start("compare", folder)
    said = [job.communicate(timeout=240) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    return json.loads((folder / "found.json").read_text())
