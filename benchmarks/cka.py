"""Debiased linear CKA, one pair and a map of layers: ours beside whole Gram matrices in numpy.

    python benchmarks/cka.py --out cka.json

The peer is the formula as it is printed: two N × N Gram matrices per pair, their diagonals set to
0, sums over them (no product of two N × N matrices: it is spared that). Each call runs in a process
of its own, ours and the peer's in turns; memory is the peak resident size less what the process
held before the call. Linux only. The answers are the same where they agree to 1e-9.

Legend: N cases, D width, L layers of either model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from child_process import peak_mib
from numpy.typing import NDArray

from vesalius.core.files import write_json

Array = NDArray[np.float64]


def draw(n: int, width: int, layers: int, rng: np.random.Generator) -> dict[str, Array]:
    """Return layers that drift away from one another, as the blocks of a model do."""
    state_ND, found = rng.normal(size=(n, width)), {}
    for layer in range(layers):
        mixing_DD = rng.normal(size=(width, width)) / np.sqrt(width)
        state_ND = state_ND + 0.5 * np.tanh(state_ND @ mixing_DD)
        found[f"block{layer}"] = state_ND
    return found


def ours(x: dict[str, Array], y: dict[str, Array]) -> Array:
    from vesalius.evaluation import cka, cka_map

    if len(x) == len(y) == 1:
        value = cka(*x.values(), *y.values(), replicates=0, permutations=0).value
        return np.array([[value]])
    return cka_map(x, y).values_LK


def peer(x: dict[str, Array], y: dict[str, Array]) -> Array:
    return np.array([[plain(a, b) for b in y.values()] for a in x.values()])


def plain(x_ND: Array, y_NE: Array) -> float:
    k, l = x_ND @ x_ND.T, y_NE @ y_NE.T  # noqa: E741
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(l, 0.0)
    return float(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)))


def hsic(k: Array, l: Array) -> float:  # noqa: E741
    """Return n(n − 3) times HSIC_1 (Song et al. 2012, eq. 5)."""
    n = len(k)
    k_N, l_N = k.sum(1), l.sum(1)
    total = float(k_N.sum() * l_N.sum()) / ((n - 1) * (n - 2))
    return float(np.sum(k * l)) + total - 2 * float(k_N @ l_N) / (n - 2)


def called(side: str, n: int, width: int, layers: int, seed: int) -> tuple[float, float, Array]:
    """Return seconds, MiB and the values of one call."""
    function = ours if side == "ours" else peer
    rng = np.random.default_rng(seed)
    function(*(draw(8, 4, layers, rng) for _ in range(2)))  # libraries
    x, y = (draw(n, width, layers, rng) for _ in range(2))
    before, start = peak_mib(), time.perf_counter()
    values_LL = function(x, y)
    return time.perf_counter() - start, peak_mib() - before, values_LL


def measure(n: int, width: int, layers: int, settings: argparse.Namespace) -> dict[str, Any]:
    calls: dict[str, list[tuple[float, float, Array]]] = {"ours": [], "peer": []}
    for _ in range(settings.repeats):
        for side, done in calls.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                done.append(pool.apply(called, (side, n, width, layers, settings.seed)))
    found: dict[str, Any] = {
        side: {
            "seconds": round(statistics.median(call[0] for call in done), 3),
            "seconds_each": [round(call[0], 3) for call in done],
            "mib": round(statistics.median(call[1] for call in done), 1),
        }
        for side, done in calls.items()
    }
    apart = float(np.abs(calls["ours"][0][2] - calls["peer"][0][2]).max())
    return {
        "cases": n,
        "width": width,
        "layers": layers,
        **found,
        "times_faster": round(found["peer"]["seconds"] / found["ours"]["seconds"], 1),
        "times_less_memory": round(found["peer"]["mib"] / max(found["ours"]["mib"], 0.1), 1),
        "apart": apart,
        "same_answer": apart < 1e-9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="debiased linear CKA beside whole Gram matrices")
    parser.add_argument("--pair", type=int, nargs=2, default=[10_000, 512], help="cases, width")
    parser.add_argument("--map", type=int, nargs=3, default=[2000, 384, 12], help="… and layers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(settings.threads)  # read by the children as they start
    header = ("cases", "width", "layers", "ours s", "peer s", "faster", "ours MiB", "peer MiB")
    print("{:>7}{:>7}{:>8}{:>9}{:>9}{:>8}{:>10}{:>10}{:>8}{:>6}".format(*header, "less", "same"))
    rows = []
    for n, width, layers in ((*settings.pair, 1), settings.map):
        row = measure(n, width, layers, settings)
        rows.append(row)
        print(
            f"{n:>7}{width:>7}{layers:>8}{row['ours']['seconds']:>9.2f}"
            f"{row['peer']['seconds']:>9.2f}{row['times_faster']:>8.1f}"
            f"{row['ours']['mib']:>10.0f}{row['peer']['mib']:>10.0f}"
            f"{row['times_less_memory']:>8.1f}{'yes' if row['same_answer'] else 'NO':>6}",
            flush=True,
        )
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "cka", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
