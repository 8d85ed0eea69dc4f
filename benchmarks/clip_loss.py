"""The CLIP loss, forward and backward: ours in tiles beside open_clip's ``ClipLoss``.

    python benchmarks/clip_loss.py --out clip_loss.json

Ours and the peer's take turns, each call in a process of its own (see child_process.py for what
counts as memory). The peer is given normalised embeddings and ours raw ones, whose normalisation
counts as ours. The peer needs about 16 B² bytes; above --peer-up-to its time and memory are not
measured, and the row says what B² predicts from the largest batch that was. The answers are the
same where values agree to 1e-4 and gradients to 1e-3 of the largest entry, both in float32.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from child_process import call, compare, summary

from vesalius.core.files import write_json

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does


def ours(image: Any, text: Any, scale: float, tile: int) -> Any:
    from vesalius.objectives import infonce

    return infonce(image, text, logit_scale=scale, tile=tile)


def peer(image: Any, text: Any, scale: float) -> Any:
    from open_clip.loss import ClipLoss
    from torch.nn.functional import normalize

    return ClipLoss()(normalize(image), normalize(text), scale)


def predicted(own: dict[str, Any], measured: dict[str, Any], batch: int) -> dict[str, Any]:
    """Return what the peer would take if time and memory grew with B² (so the row says)."""
    growth = (batch / measured["batch"]) ** 2
    peer_now = {key: round(measured["peer"][key] * growth, 1) for key in ("seconds", "mib")}
    return {
        "ours": own,
        "peer": peer_now,
        "peer_predicted_from_batch": measured["batch"],
        "times_faster": round(peer_now["seconds"] / own["seconds"], 2),
        "times_less_memory": round(peer_now["mib"] / own["mib"], 1),
        "same_answer": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="the CLIP loss beside open_clip's")
    parser.add_argument("--batch", type=int, nargs="+", default=[8192, 16_384, 32_768])
    parser.add_argument("--peer-up-to", type=int, default=16_384)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--scale", type=float, default=14.3)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    header = ("batch", "ours s", "open_clip s", "faster", "ours MiB", "open_clip MiB", "less")
    print("{:>7}{:>9}{:>13}{:>8}{:>10}{:>15}{:>8}{:>11}".format(*header, "same"), flush=True)
    rows: list[dict[str, Any]] = []
    for batch in sorted(settings.batch):
        shape = (batch, settings.width, settings.seed, settings.threads)
        own, other = [], []
        for _ in range(settings.repeats):
            own.append(call(partial(ours, scale=settings.scale, tile=settings.tile), *shape))
            if batch <= max(settings.peer_up_to, min(settings.batch)):
                other.append(call(partial(peer, scale=settings.scale), *shape))
        measured = [row for row in rows if row["same_answer"] is not None]
        row = compare(own, other) if other else predicted(summary(own), measured[-1], batch)
        row = {"batch": batch, **row}
        same = {True: "yes", False: "NO", None: "predicted"}[row["same_answer"]]
        print(
            f"{batch:>7}{row['ours']['seconds']:>9.2f}{row['peer']['seconds']:>13.2f}"
            f"{row['times_faster']:>8.2f}{row['ours']['mib']:>10.0f}{row['peer']['mib']:>15.0f}"
            f"{row['times_less_memory']:>8.1f}{same:>11}",
            flush=True,
        )
        rows.append(row)
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "clip_loss", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
