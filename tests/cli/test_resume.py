"""Killed in the middle, the same command goes on and ends as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WAIT = 120  # seconds until a command has begun, on a machine that does other things too


def start(words, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "vesalius", *words],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def stop_when(words, cwd, pattern, how):
    """Start a command, send it a signal as soon as a file appears, return what it said."""
    process = start(words, cwd)
    deadline = time.monotonic() + WAIT
    while not list(Path(cwd).rglob(pattern)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{pattern} never came"
        time.sleep(0.01)
    os.killpg(process.pid, how)
    said = process.communicate(timeout=WAIT)[1]
    assert process.returncode != 0, "it was done before it could be stopped"
    return process.returncode, said


def finish(words, cwd):
    process = start(words, cwd)
    out, said = process.communicate(timeout=4 * WAIT)
    assert process.returncode == 0, said
    return out


@pytest.fixture
def images(tmp_path):
    """Write a hundred captioned pictures; return their folder."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set"
    folder.mkdir()
    lines = ["image,caption,patient_id"]
    for i in range(100):
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,a picture of number {i},p{i}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_embed_goes_on_after_a_kill(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 5000), ("val", 10), ("test", 10)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 2, (n, 1), np.uint8)
    np.savez(tmp_path / "breastmnist.npz", **arrays)
    words = ["embed", "medmnist", str(tmp_path / "breastmnist.npz"), "--model", "tiny",
             "model.image_size=64", "--workers", "0", "--out", "vectors"]  # fmt: skip

    def chunks():
        return {p: p.stat().st_mtime_ns for p in (tmp_path / "vectors").rglob("store/*/*.npy")}

    stop_when(words, tmp_path, "vectors/store/*/[0-9a-f]*.json", signal.SIGKILL)
    before = chunks()
    assert finish(words, tmp_path).startswith("5,020 image embeddings")
    after = chunks()
    assert len(after) > len(before)
    assert {p: after[p] for p in before} == before, "what was encoded was encoded again"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_train_goes_on_after_a_stop(images, tmp_path, how):
    words = ["train", "manifest", str(images), "data.file=cases.csv", "data.text=caption",
             "model.image_size=32", "pretrain.epochs=8", "pretrain.batch_size=16",
             "replicates=100", "--workers", "0"]  # fmt: skip
    code, said = stop_when([*words, "--out", "stopped"], tmp_path, "last.safetensors", how)
    if how == signal.SIGINT:
        assert code == 130
        assert "the same command goes on from there" in said
        assert "Traceback" not in said
    finish([*words, "--out", "stopped"], tmp_path)
    log = (tmp_path / "stopped" / "log.txt").read_text()
    assert log.count("runner: pretrain\n") == 2
    assert log.count("epoch 1:") == 1, "the first epoch was trained twice"
    if how == signal.SIGKILL:
        finish([*words, "--out", "whole"], tmp_path)
        scores = [(tmp_path / name / "scores.json").read_bytes() for name in ("stopped", "whole")]
        assert scores[0] == scores[1]
