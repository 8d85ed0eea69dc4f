"""The MMD permutation test: ours in tiles beside hyppo's, and what both find.

    uv sync --group peers
    python benchmarks/mmd.py --out mmd.json
    python benchmarks/mmd.py --power

hyppo's time grows evenly with its relabellings: it is measured at 1 and ``--peer-permutations`` of
them and carried on to as many as ours draws (the table says so; give as many to measure it whole).
Its statistic is scaled otherwise and it ignores ``random_state``, so that decisions are compared;
ours is held against the exact one, a whole float64 kernel. The large test, whose kernel alone would
take 12.8 GB, runs in a process of its own: memory is its peak (VmHWM) less what it held before.

Legend: n cases of x, m of y, D width.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from child_process import peak_mib

from vesalius.core.files import write_json

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does

ALPHA = 0.05
DIFFERENCES = {"none": (0.0, 1.0), "mean shift": (0.4, 1.0), "variance": (0.0, 1.4)}


def drawn(n: int, width: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Any:
    rng = np.random.default_rng(seed)
    sides = rng.normal(size=(n, width)), rng.normal(shift, scale, size=(n, width))
    return tuple(side.astype(np.float32) for side in sides)


def ours(x_nD: Any, y_mD: Any, permutations: int) -> Any:
    from vesalius.evaluation.two_sample.mmd import mmd_test

    return mmd_test(x_nD, y_mD, permutations=permutations)


def peer(x_nD: Any, y_mD: Any, permutations: int) -> float:
    from hyppo.ksample import MMD

    return float(MMD().test(x_nD, y_mD, reps=permutations, auto=False)[1])


def exact(x_nD: Any, y_mD: Any, sigma: float) -> float:
    """Return the unbiased MMD² by whole float64 matrices of differences."""
    from scipy.spatial.distance import cdist, pdist

    x_nD, y_mD = x_nD.astype(np.float64), y_mD.astype(np.float64)
    gamma = 0.5 / sigma**2
    xx, yy = (np.exp(-gamma * pdist(side, "sqeuclidean")).mean() for side in (x_nD, y_mD))
    return float(xx + yy - 2 * np.exp(-gamma * cdist(x_nD, y_mD, "sqeuclidean")).mean())


def timed(function: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    found = function(*given)
    return time.perf_counter() - start, found


def speed(settings: argparse.Namespace) -> dict[str, Any]:
    """Compare both on the same samples, which differ a little in their mean."""
    samples = drawn(settings.n, settings.width, settings.seed, shift=0.05)
    small = tuple(side[:24] for side in samples)
    for test in (ours, peer):
        test(*small, 9)  # loads libraries, compiles
    runs = [timed(ours, *samples, settings.permutations) for _ in range(settings.repeats)]
    own, found = statistics.median(seconds for seconds, _ in runs), runs[0][1]
    first, _ = timed(peer, *samples, 1)
    other, other_p = timed(peer, *samples, settings.peer_permutations)
    measured = settings.peer_permutations
    if measured != settings.permutations:
        other = first + (other - first) / (measured - 1) * (settings.permutations - 1)
    apart = abs(found.mmd2 - exact(*samples, found.bandwidth))
    return {
        "n": settings.n,
        "ours_seconds": round(own, 3),
        "peer_seconds": round(other, 1),
        "peer_permutations_measured": measured,
        "times_faster": round(other / own),
        "from_exact": apart,
        "equal_to_1e-6": apart < 1e-6,
        "p_ours": found.p_value,
        "p_peer": other_p,
        "same_decision": (found.p_value <= ALPHA) == (other_p <= ALPHA),
    }


def large(settings: argparse.Namespace) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        given = (settings.large, settings.width, settings.seed, settings.permutations)
        seconds, mib, p_value = pool.apply(_large, given)
    return {
        "n": settings.large,
        "ours_seconds": round(seconds, 1),
        "ours_mib": round(mib),
        "below_1_gb": mib * 2**20 < 1e9,
        "p_ours": p_value,
    }


def _large(n: int, width: int, seed: int, permutations: int) -> tuple[float, float, float]:
    samples = drawn(n, width, seed, shift=0.05)
    ours(*(side[:24] for side in samples), 9)
    before = peak_mib()
    seconds, found = timed(ours, *samples, permutations)
    return seconds, peak_mib() - before, found.p_value


def power(settings: argparse.Namespace) -> list[dict[str, Any]]:
    """Return how often both reject at 0.05, on the same small samples."""
    rows = []
    for name, (shift, scale) in DIFFERENCES.items():
        rejected = {"ours": 0, "hyppo": 0}
        for trial in range(settings.trials):
            samples = drawn(40, 5, settings.seed + trial, shift, scale)
            rejected["ours"] += ours(*samples, 199).p_value <= ALPHA
            rejected["hyppo"] += peer(*samples, 199) <= ALPHA
        shares = {side: round(times / settings.trials, 3) for side, times in rejected.items()}
        rows.append({"difference": name, "trials": settings.trials, **shares})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="the MMD test beside hyppo's")
    parser.add_argument("--n", type=int, default=1000, help="cases of x, and of y")
    parser.add_argument("--large", type=int, default=20_000, help="the same, without hyppo")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--peer-permutations", type=int, default=50, help="that hyppo measures")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--power", action="store_true", help="compare what is found, not speed")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    rows = []
    for part in [power] if settings.power else [speed, large]:
        found = part(settings)
        for row in found if isinstance(found, list) else [found]:
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            rows.append(row)
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "mmd", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
