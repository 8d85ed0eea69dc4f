"""Peak memory of one training, not of whatever the process did before it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


def forget_peak(device: str) -> None:
    """Begin to measure: the peak is from now on that of what follows, where the system can."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # not Linux, or not allowed: the peak stays that of the process
            (PROCESS / "clear_refs").write_text("5")


def peak_mb(device: str) -> float:
    """Return the peak since then: of the accelerator, else of the whole process; 0 if unknown."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return of_process("VmHWM") / 2**20


def of_process(name: str) -> float:
    """Return VmRSS (now) or VmHWM (at most) in bytes; the latter for both without a /proc."""
    found = line_of(PROCESS / "status", name)
    if found:
        return found
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 2**10
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def line_of(path: Path, name: str) -> float:
    """Return the bytes that a line ``name: 12 kB`` tells, or 0."""
    with suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) * 2**10
    return 0.0
