"""NT-Xent, forward and backward: ours in tiles beside lightly's.

    uv sync --group peers
    python benchmarks/nt_xent.py --out nt_xent.json

Ours and the peer's take turns, each call in a process of its own (see child_process.py for what
counts as memory). The answers are the same where values agree to 1e-4 and gradients to 1e-3 of the
largest entry, both in float32.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from child_process import call, compare

from vesalius.core.files import write_json

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does

TEMPERATURE = 0.5


def ours(first: Any, second: Any, tile: int) -> Any:
    from vesalius.objectives import nt_xent

    return nt_xent(first, second, temperature=TEMPERATURE, tile=tile)


def peer(first: Any, second: Any) -> Any:
    from lightly.loss import NTXentLoss

    return NTXentLoss(temperature=TEMPERATURE)(first, second)


def main() -> None:
    parser = argparse.ArgumentParser(description="NT-Xent beside lightly's")
    parser.add_argument("--batch", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    header = ("batch", "ours s", "lightly s", "faster", "ours MiB", "lightly MiB", "less", "same")
    print("{:>7}{:>9}{:>11}{:>8}{:>10}{:>13}{:>8}{:>6}".format(*header), flush=True)
    rows = []
    for batch in settings.batch:
        shape = (batch, settings.width, settings.seed, settings.threads)
        own, other = [], []
        for _ in range(settings.repeats):
            own.append(call(partial(ours, tile=settings.tile), *shape))
            other.append(call(peer, *shape))
        row = {"batch": batch, **compare(own, other)}
        rows.append(row)
        print(
            f"{batch:>7}{row['ours']['seconds']:>9.2f}{row['peer']['seconds']:>11.2f}"
            f"{row['times_faster']:>8.1f}{row['ours']['mib']:>10.0f}{row['peer']['mib']:>13.0f}"
            f"{row['times_less_memory']:>8.1f}{'yes' if row['same_answer'] else 'NO':>6}",
            flush=True,
        )
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "nt_xent", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
