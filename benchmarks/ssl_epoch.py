"""One epoch of SimCLR on 28-pixel tiles: our loop against a training loop of lightly's parts.

    python benchmarks/ssl_epoch.py --out ssl_epoch.json

Both sides train the same ResNet-18 (``resnet18-28``) under the same projector on the same random
tiles, batch for batch of the same size. Ours is ``training.pretrain_views``: views of the whole
batch, its NT-Xent, its LARS, the guard against what is not finite, validation and the checkpoint of
the epoch included. The peer has lightly's SimCLRTransform in a DataLoader with --workers processes,
its NTXentLoss and its LARS, and nothing beside. The second epoch is timed on both sides; each
figure is the median over --repeats, sides alternating. Views are random, so epochs cannot be
compared number by number: the same answer is that of both losses on the same projections.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does

import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from views import Peer, images

from vesalius import encoders
from vesalius.core import ArrayImages, CaseSet
from vesalius.core.files import write_json
from vesalius.objectives import nt_xent
from vesalius.training import Conditions, pretrain_views, self_supervised_optimisation
from vesalius.training.projector import projector

SIDE = 28
LAYERS = (2048, 2048, 128)
VALIDATION = 2  # images of our validation: the peer has none
TEMPERATURE = 0.5


def tiles(pixels_BCHW: Tensor, name: str) -> CaseSet:
    values = np.ascontiguousarray(pixels_BCHW.permute(0, 2, 3, 1).numpy())
    ids = [f"{name}-{i:05d}" for i in range(len(values))]
    return CaseSet(np.array(ids), ArrayImages(values, ids), np.empty((len(ids), 0)))


def own_epoch(pixels_BCHW: Tensor, batch: int) -> float:
    """Return the seconds of our second epoch."""
    with tempfile.TemporaryDirectory() as folder:
        fit = pretrain_views(
            encoders.load("resnet18-28"),
            tiles(pixels_BCHW, "train"),
            tiles(pixels_BCHW[:VALIDATION], "validation"),
            conditions=Conditions(folder, workers=0, progress=False),
            optimisation=self_supervised_optimisation("simclr", epochs=2, batch_size=batch),
            layers=LAYERS,
        )
    return fit.history[1]["seconds"]


def peer_epoch(pixels_BCHW: Tensor, batch: int, workers: int) -> float:
    """Return the seconds of the second epoch of a loop of lightly's parts."""
    from lightly.loss import NTXentLoss
    from lightly.utils.lars import LARS

    model: Any = encoders.load("resnet18-28")
    module = nn.Sequential(
        deepcopy(model.image), projector(model.width, LAYERS, seed=0, normed_end=True)
    ).train()
    rate = self_supervised_optimisation("simclr", epochs=2, batch_size=batch).learning_rate
    optimiser = LARS(module.parameters(), lr=rate, momentum=0.9, weight_decay=1e-6)
    loss = NTXentLoss(temperature=TEMPERATURE)
    loader = DataLoader(
        Peer(pixels_BCHW, len(pixels_BCHW)),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
    )
    began = 0.0
    for _ in range(2):
        began = time.perf_counter()
        for first, second in loader:
            both = module(torch.cat([first, second]) * 2 - 1)
            value = loss(both[: len(first)], both[len(first) :])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
    return time.perf_counter() - began


def difference(batch: int) -> float:
    """Return by how much the two losses differ on the same projections."""
    from lightly.loss import NTXentLoss

    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(batch, LAYERS[-1], generator=generator) for _ in range(2))
    peer = NTXentLoss(temperature=TEMPERATURE)(first, second)
    return float((nt_xent(first, second, temperature=TEMPERATURE) - peer).abs())


def main() -> None:
    parser = argparse.ArgumentParser(description="An epoch of SimCLR beside lightly's parts")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    try:
        import lightly  # noqa: F401
    except ImportError:
        parser.exit(1, "the peer is missing: install lightly (the dependency group `peers`)\n")
    torch.set_num_threads(settings.threads)
    pixels_BCHW = images(settings.images, SIDE)
    ours, peer = [], []
    for _ in range(settings.repeats):
        ours.append(own_epoch(pixels_BCHW, settings.batch))
        peer.append(peer_epoch(pixels_BCHW, settings.batch, settings.workers))
    ratios = [theirs / own for own, theirs in zip(ours, peer, strict=True)]
    apart = difference(settings.batch)
    print(
        f"{settings.images} tiles, batch {settings.batch}: ours {np.median(ours):.2f} s, lightly "
        f"{np.median(peer):.2f} s, {np.median(ratios):.2f} times as fast "
        f"({min(ratios):.2f} to {max(ratios):.2f}), same loss: "
        f"{'yes' if apart < 1e-5 else 'NO'} ({apart:.1e})"
    )
    if settings.out is not None:
        write_json(
            settings.out,
            {"benchmark": "ssl_epoch", "images": settings.images, "batch": settings.batch,
             "workers": settings.workers, "threads": settings.threads, "ours_seconds": ours,
             "peer_seconds": peer, "ratios": ratios, "loss_difference": apart},
        )  # fmt: skip


if __name__ == "__main__":
    main()
