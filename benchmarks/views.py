"""SimCLR views of uint8 images: whole batches here, lightly's transform in worker processes there.

    python benchmarks/views.py --out views.json

Both make two views of each image with the same strengths, floats in [0, 1] without normalisation:
crop, flip, jitter, grey; at 224 pixels also a blur. Images lie in memory as arrays. The peer runs
in a DataLoader with --workers processes, warm, and its collation counts; ours runs in the calling
process on --threads threads. Each figure is the median over --repeats. Views are random, so the
answers are the same in distribution: the means and the deviations of the views' pixels agree.

Legend: B batch, C channels, H W pixels.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vesalius.core.files import write_json
from vesalius.data.views import apply, preset

BLURRED_FROM = 64


def images(count: int, side: int, seed: int = 0) -> Tensor:
    """Return smooth random pictures, so that views differ as those of real images do."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return (255 * smooth).to(torch.uint8)


class Peer(Dataset[Any]):
    """Each image through lightly's SimCLR transform, from an array as PIL."""

    def __init__(self, pixels_BCHW: Tensor, count: int) -> None:
        from lightly.transforms import SimCLRTransform

        side = pixels_BCHW.shape[-1]
        self.arrays = np.ascontiguousarray(pixels_BCHW.permute(0, 2, 3, 1).numpy())
        self.count = count
        blur = 0.5 if side >= BLURRED_FROM else 0.0
        self.transform = SimCLRTransform(
            input_size=side, cj_strength=0.5, gaussian_blur=blur, normalize=None
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> list[Tensor]:
        from PIL import Image

        array = self.arrays[index % len(self.arrays)]
        views: list[Tensor] = self.transform(Image.fromarray(array))
        return views


def _begin(_: int) -> None:
    torch.set_num_threads(1)


def peer_rate(pixels_BCHW: Tensor, batch: int, count: int, workers: int) -> tuple[float, Tensor]:
    """Return images a second of a warm loader, and one batch of first views."""
    loader = DataLoader(
        Peer(pixels_BCHW, count + 2 * workers * batch),
        batch_size=batch,
        num_workers=workers,
        worker_init_fn=_begin,
        drop_last=True,
    )
    running = iter(loader)
    for _ in range(2 * workers):  # what was made in advance while the workers started
        first = next(running)[0]
    began, done = time.perf_counter(), 0
    for views in running:
        done += len(views[0])
    return done / (time.perf_counter() - began), first


def own_rate(pixels_BCHW: Tensor, batch: int, count: int, seed: int) -> tuple[float, Tensor]:
    """Return images a second over whole batches, and one batch of first views."""
    kind, generator = preset("simclr"), torch.Generator().manual_seed(seed)
    size = (pixels_BCHW.shape[2], pixels_BCHW.shape[3])

    def two(pixels: Tensor) -> Tensor:
        first, _ = (apply(pixels, kind.draw(len(pixels), size, generator)) for _ in range(2))
        return first

    first = two(pixels_BCHW[:batch])
    began, done = time.perf_counter(), 0
    while done < count:
        start = done % max(len(pixels_BCHW) - batch + 1, 1)
        two(pixels_BCHW[start : start + batch])
        done += batch
    _wait(pixels_BCHW)
    return done / (time.perf_counter() - began), first


def _wait(pixels: Tensor) -> None:
    if pixels.is_cuda:
        torch.cuda.synchronize()


def alike(first: Tensor, other: Tensor) -> tuple[float, bool]:
    """Return the largest difference of the views' mean and deviation, in standard errors."""
    worst = 0.0
    for of in (lambda x: x.mean((1, 2, 3)), lambda x: x.std((1, 2, 3))):
        one, two = of(first.cpu()), of(other.cpu())
        error = (one.var() / len(one) + two.var() / len(two)).sqrt()
        worst = max(worst, float((one.mean() - two.mean()).abs() / error))
    return worst, worst < 4


def measure(side: int, settings: argparse.Namespace) -> dict[str, Any]:
    batch, count = settings.batch[side], settings.count[side]
    pixels_BCHW = images(max(batch, 512 if side < BLURRED_FROM else 128), side)
    on_device = pixels_BCHW.to(settings.device)
    own, peer = [], []
    for repeat in range(settings.repeats):
        rate, views = own_rate(on_device, batch, count, repeat)
        own.append(rate)
        rate, theirs = peer_rate(pixels_BCHW, batch, count // 2, settings.workers)
        peer.append(rate)
    difference, same = alike(views, theirs)
    ours, other = float(np.median(own)), float(np.median(peer))
    return {
        "side": side,
        "ours_images_a_second": round(ours, 1),
        "ours_each": [round(x, 1) for x in own],
        "peer_images_a_second": round(other, 1),
        "peer_each": [round(x, 1) for x in peer],
        "ratio": round(ours / other, 2),
        "difference_in_standard_errors": round(difference, 2),
        "same_answer": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="SimCLR views beside lightly's")
    parser.add_argument("--sides", type=int, nargs="+", choices=[28, 224], default=[28, 224])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    settings.batch = {28: 256, 224: 64}
    settings.count = {28: 16_384, 224: 1024}
    try:
        import lightly  # noqa: F401
    except ImportError:
        parser.exit(1, "the peer is missing: install lightly (the dependency group `peers`)\n")
    torch.set_num_threads(settings.threads)
    row = "{:<8}{:>16}{:>18}{:>9}{:>13}"
    print(
        row.format("side", "ours images/s", "lightly images/s", "ratio", "same answer"), flush=True
    )
    rows = []
    for side in settings.sides:
        found = measure(side, settings)
        rows.append(found)
        same = "yes" if found["same_answer"] else "NO"
        print(
            row.format(
                side, found["ours_images_a_second"], found["peer_images_a_second"],
                found["ratio"], same,
            ),
            flush=True,
        )  # fmt: skip
    if settings.out is not None:
        given = {"workers": settings.workers, "threads": settings.threads,
                 "device": settings.device, "repeats": settings.repeats}  # fmt: skip
        write_json(settings.out, {"benchmark": "views", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
