"""Grad-CAM of images and targets: ours beside the package grad-cam, on the same towers and scores.

    uv sync --group peers
    python benchmarks/gradcam.py --out gradcam.json

Towers have random weights; a target is a direction in the space of the tower's rows, as a text is.
Both explain all images for all targets at the same layer; the peer is given a whole batch of images
at a time, once for each target, which is all that it can take. Ours and the peer's take turns; each
figure is the median over --repeats. The answers are the same where the maps, brought to [0, 1] and
to the image's size by the peer's own function, agree to 1e-3.

Legend: B images, K targets, C channels, S pixels a side, D width, h w places of the layer.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides, as the command line does

import numpy as np
import torch
from torch import Tensor

from vesalius import encoders
from vesalius.core.files import write_json
from vesalius.encoders.layers import layer_outputs, layers_of
from vesalius.explanation import gradcam_maps

SIDE = 224
TOWERS = {"resnet50": "model.layer4.2", "vit_base_patch16_224": "model.blocks.10"}
Scores = list[Callable[[Tensor], Tensor]]


def own_maps(model: Any, layer: str, pixels_BCSS: Tensor, scores: Scores) -> np.ndarray:
    named = {str(number): score for number, score in enumerate(scores)}
    return gradcam_maps(model, pixels_BCSS, named, layer=layer).cpu().numpy()


def peer_maps(model: Any, layer: str, pixels_BCSS: Tensor, scores: Scores) -> np.ndarray:
    from pytorch_grad_cam import GradCAM

    chosen = layers_of(model, [layer])
    with torch.no_grad():
        at = layer_outputs(model.image, chosen, pixels_BCSS[:1])[layer].positions

    def as_map(values_BLD: Tensor) -> Tensor:
        return values_BLD[:, at.prefix :].transpose(1, 2).unflatten(2, at.grid)

    turn = as_map if at.order == "BLD" else None
    with GradCAM(model.image, [chosen[layer]], reshape_transform=turn) as cam:
        found = [cam(pixels_BCSS, [score] * len(pixels_BCSS)) for score in scores]
    return np.stack(found, 1)


def difference(ours_BKhw: np.ndarray, peer_BKSS: np.ndarray) -> float:
    """Return the largest difference of two sets of maps, ours scaled as the peer scales its own."""
    from pytorch_grad_cam.utils.image import scale_cam_image

    flat = ours_BKhw.reshape(-1, *ours_BKhw.shape[2:])
    scaled = scale_cam_image(scale_cam_image(flat, (SIDE, SIDE)))
    return float(np.abs(scaled - peer_BKSS.reshape(scaled.shape)).max())


def measure(name: str, settings: argparse.Namespace) -> dict[str, Any]:
    model, layer = encoders.load(f"timm:{name}"), TOWERS[name]
    model.to(settings.device).eval()
    generator = torch.Generator().manual_seed(settings.seed)
    pixels_BCSS = torch.randn(settings.images, 3, SIDE, SIDE, generator=generator)
    pixels_BCSS = pixels_BCSS.to(settings.device)
    aims_KD = torch.rand(settings.targets, model.width, generator=generator) - 0.25
    scores = [
        lambda rows, aim_D=aim_D: torch.cosine_similarity(rows, aim_D, dim=-1)
        for aim_D in aims_KD.to(settings.device)
    ]
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    maps: dict[str, np.ndarray] = {}
    for repeat in range(settings.repeats + 1):
        for side, explain in (("ours", own_maps), ("peer", peer_maps)):
            began = time.perf_counter()
            maps[side] = explain(model, layer, pixels_BCSS, scores)
            if repeat > 0:  # the first is for warming up
                seconds[side].append(round(time.perf_counter() - began, 3))
    ours, peer = float(np.median(seconds["ours"])), float(np.median(seconds["peer"]))
    worst = difference(maps["ours"], maps["peer"])
    return {
        "tower": name,
        "ours_seconds": seconds["ours"],
        "peer_seconds": seconds["peer"],
        "ours": ours,
        "peer": peer,
        "times_faster": round(peer / ours, 1),
        "difference": worst,
        "same_answer": worst < 1e-3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Grad-CAM beside the package grad-cam")
    parser.add_argument("--towers", nargs="+", choices=sorted(TOWERS), default=sorted(TOWERS))
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--targets", type=int, default=14)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    try:
        import pytorch_grad_cam  # noqa: F401
    except ImportError:
        parser.exit(1, "the peer is missing: install grad-cam (the dependency group `peers`)\n")
    torch.set_num_threads(settings.threads)
    row = "{:<22}{:>8}{:>12}{:>8}{:>13}"
    print(row.format("tower", "ours s", "grad-cam s", "faster", "same answer"), flush=True)
    rows = []
    for name in settings.towers:
        found = measure(name, settings)
        rows.append(found)
        same = "yes" if found["same_answer"] else "NO"
        times = f"{found['ours']:.2f}", f"{found['peer']:.2f}", found["times_faster"]
        print(row.format(name, *times, same), flush=True)
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        write_json(settings.out, {"benchmark": "gradcam", "settings": given, "rows": rows})


if __name__ == "__main__":
    main()
