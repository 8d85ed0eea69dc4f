"""Time and memory of one loss, forward and backward, in a process of its own.

Each call is a fresh child, so that no allocator remembers the one before. Memory is the peak
resident size of the child (VmHWM) less what it held before the loss was called: inputs and
libraries do not count, everything that the loss and its gradients need does. Linux only.

Legend: B batch, D width.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS_COMPARED = 256


@dataclass(frozen=True)
class Call:
    """One forward and backward pass; ``gradient`` holds its first rows, for comparison."""

    seconds: float
    cpu_seconds: float  # over all threads; what others do on the machine matters less to it
    mib: float
    value: float
    gradient: NDArray[np.float32]


def call(loss: Callable[..., Any], batch: int, width: int, seed: int, threads: int) -> Call:
    """Return one call of ``loss(first_BD, second_BD)`` on random embeddings, in a child."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_called, (loss, batch, width, seed, threads))


def compare(ours: list[Call], peers: list[Call]) -> dict[str, Any]:
    """Return medians, ratios (peer over ours), and whether the answers are the same."""
    own, other = summary(ours), summary(peers)
    largest = float(np.abs(peers[0].gradient).max())
    apart = float(np.abs(ours[0].gradient - peers[0].gradient).max()) / largest
    value_apart = abs(ours[0].value - peers[0].value)
    return {
        "ours": own,
        "peer": other,
        "times_faster": round(other["seconds"] / own["seconds"], 2),
        "times_less_memory": round(other["mib"] / own["mib"], 1),
        "value_apart": value_apart,
        "gradient_apart_of_its_largest": apart,
        "same_answer": bool(value_apart < 1e-4 and apart < 1e-3),
    }


def summary(calls: list[Call]) -> dict[str, Any]:
    return {
        "seconds": round(statistics.median(c.seconds for c in calls), 3),
        "seconds_each": [round(c.seconds, 3) for c in calls],
        "cpu_seconds": round(statistics.median(c.cpu_seconds for c in calls), 3),
        "mib": round(statistics.median(c.mib for c in calls), 1),
        "value": calls[0].value,
    }


def _called(loss: Callable[..., Any], batch: int, width: int, seed: int, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    loss(*(torch.randn(8, width, requires_grad=True) for _ in range(2))).backward()  # libraries
    sides = [torch.randn(batch, width, generator=generator).requires_grad_() for _ in range(2)]
    before = peak_mib()
    start, cpu_start = time.perf_counter(), time.process_time()
    value = loss(*sides)
    value.backward()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    gradient = sides[0].grad[:ROWS_COMPARED].numpy()
    return Call(seconds, cpu_seconds, peak_mib() - before, value.item(), gradient)


def peak_mib() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
