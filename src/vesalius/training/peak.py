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
    with suppress(OSError, StopIteration, ValueError):
        lines = (PROCESS / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
