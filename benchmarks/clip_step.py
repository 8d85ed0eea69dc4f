"""A training step of CLIP: our loop's beside open_clip's own.

    python benchmarks/clip_step.py --out clip_step.json

Both train the same architecture from the same random weights on the same random pixels and tokens,
prepared beforehand: ours by ``take_step``, the peer by ``open_clip_train.train.train_one_epoch``
over one batch, with AdamW as open_clip's ``main`` sets it up (but for epsilon, which is ours).
Steps are taken in turn, and the medians over --repeats compared, also in seconds of the processor,
which depend less on what else the machine does. The answers are the same where, after all
steps, the weights differ nowhere by more than 1e-4 and the two ways travelled by less than a
hundredth of their length.

Legend of shapes: B batch, L tokens.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vesalius.core.files import write_json
from vesalius.objectives import objective
from vesalius.training import Conditions, Optimisation
from vesalius.training.checkpoint import Checkpoints, Progress
from vesalius.training.optimiser import make_optimiser
from vesalius.training.running import Batch, Features, Run
from vesalius.training.step import learning_mode, take_step

EPSILON = 1e-8  # of AdamW, on both sides


@dataclass(slots=True)
class Pairs:
    """The loop's task: pixels and tokens that are there already."""

    module: Any
    pixels_BCHW: Tensor
    tokens_BL: Tensor
    learning_rate: float
    settings: dict[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        return {"train": len(self.pixels_BCHW), "validation": len(self.pixels_BCHW)}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return [(parameter, self.learning_rate) for parameter in self.module.parameters()]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        for group in groups:
            yield group, self.pixels_BCHW[group]

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> None:
        return None

    def features(self, split: str, batch: Batch, draws: None) -> Features:
        rows_B, pixels_BCHW = batch
        device = self.module.logit_scale.device
        return {
            "image": self.module.encode_image(pixels_BCHW.to(device)),
            "text": self.module.encode_text(self.tokens_BL[rows_B].to(device)),
        }

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        loss = objective("infonce")(
            features["image"], features["text"], logit_scale=self.module.logit_scale.exp()
        )
        return loss, float(len(rows))

    def after_step(self) -> None:
        with torch.no_grad():
            self.module.logit_scale.clamp_(0, log(100))

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [str(row) for row in rows]


def ours(model: nn.Module, task: Pairs, settings: argparse.Namespace, folder: str) -> Callable:
    """Return what takes one of our steps and gives the loss."""
    optimisation = Optimisation(
        batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        weight_decay=0.2,
        precision=settings.precision,
    )
    optimiser = make_optimiser(task.parameters(), optimisation)
    conditions = Conditions(folder, device=settings.device, progress=False)
    checkpoints = Checkpoints(Path(folder), {})
    run = Run(task, optimiser, optimisation, conditions, checkpoints, Progress())
    group = np.arange(settings.batch)

    def step() -> float:
        learning_mode(model)
        loss_sum, weight = take_step(run, group, next(run.in_parts("train", [group])), 0)
        return loss_sum / weight

    return step


def peers(model: nn.Module, task: Pairs, settings: argparse.Namespace) -> Callable:
    """Return what takes one step of open_clip's training loop and gives the loss."""
    from open_clip_train.train import train_one_epoch

    named = list(model.named_parameters())
    excluded = [p for n, p in named if p.ndim < 2 or any(w in n for w in ("bn", "ln", "bias"))]
    known = {id(p) for p in excluded}
    optimiser = torch.optim.AdamW(
        [
            {"params": excluded, "weight_decay": 0.0},
            {"params": [p for _, p in named if id(p) not in known], "weight_decay": 0.2},
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        eps=EPSILON,
    )
    contrast, losses = open_clip.ClipLoss(cache_labels=True), []

    def loss(**outputs: Any) -> dict[str, Tensor]:
        found = contrast(**outputs)
        losses.append(found["contrastive_loss"].detach())
        return found

    class Loader(list):
        num_batches, num_samples = 1, settings.batch

    train = SimpleNamespace(
        dataloader=Loader([(task.pixels_BCHW, task.tokens_BL)]), set_epoch=lambda epoch: None
    )
    args = SimpleNamespace(
        device=settings.device, precision="amp_bf16" if settings.precision == "bf16" else "fp32",
        distill=False, accum_freq=1, skip_scheduler=True, horovod=False, grad_clip_norm=None,
        log_every_n_steps=1, batch_size=settings.batch, world_size=1, rank=0, wandb=False,
    )  # fmt: skip

    def step() -> float:
        train_one_epoch(model, {"train": train}, loss, 0, optimiser, None, None, None, args)
        return float(losses[-1])

    return step


def timed(step: Callable[[], float], device: str) -> tuple[float, float, float]:
    """Return the seconds of a step, those of the processor, and its loss."""
    start, start_of_processor = time.perf_counter(), time.process_time()
    loss = step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - start_of_processor, loss


def difference(
    start: dict[str, Tensor], one: dict[str, Tensor], other: dict[str, Tensor]
) -> tuple[float, float]:
    """Return the largest difference of weights, and that of the ways in lengths of the way."""
    largest = max(float((one[name] - other[name]).abs().max()) for name in start)
    apart = sum(float((one[name] - other[name]).double().square().sum()) for name in start)
    way = sum(float((other[name] - start[name]).double().square().sum()) for name in start)
    return largest, (apart / way) ** 0.5


def measure(settings: argparse.Namespace, folder: str) -> dict[str, Any]:
    torch.manual_seed(settings.seed)
    # open_clip's training asks for outputs by name
    models = [
        open_clip.create_model(settings.model, output_dict=True, device=settings.device)
        for _ in range(2)
    ]
    models[1].load_state_dict(models[0].state_dict())
    start = {name: p.detach().clone() for name, p in models[0].named_parameters()}
    side = models[0].visual.image_size[0]
    pixels_BCHW = torch.randn(settings.batch, 3, side, side)
    tokens_BL = torch.randint(1, 49405, (settings.batch, models[0].context_length))
    tokens_BL[:, -1] = 49407  # the end of a text, where its feature is read
    tasks = [Pairs(m, pixels_BCHW, tokens_BL, settings.learning_rate, {}) for m in models]
    steps = ours(models[0], tasks[0], settings, folder), peers(models[1], tasks[1], settings)
    seconds: tuple[list[float], list[float]] = [], []
    processor: tuple[list[float], list[float]] = [], []
    losses: tuple[list[float], list[float]] = [], []
    for number in range(settings.repeats + 1):  # the first warms up
        for which in (0, 1) if number % 2 else (1, 0):
            took, busy, loss = timed(steps[which], settings.device)
            seconds[which].append(took)
            processor[which].append(busy)
            losses[which].append(loss)
    ratios = [peer / own for own, peer in zip(seconds[0][1:], seconds[1][1:], strict=True)]
    with torch.no_grad():
        largest, apart = difference(start, *(dict(model.named_parameters()) for model in models))
    return {
        "ours_seconds": float(np.median(seconds[0][1:])),
        "peer_seconds": float(np.median(seconds[1][1:])),
        "ratio": float(np.median(ratios)),
        "ratio_spread": [min(ratios), max(ratios)],
        "ours_processor_seconds": float(np.median(processor[0][1:])),
        "peer_processor_seconds": float(np.median(processor[1][1:])),
        "processor_ratio": float(np.median(processor[1][1:]) / np.median(processor[0][1:])),
        "ours_seconds_each": seconds[0][1:],
        "peer_seconds_each": seconds[1][1:],
        "losses": losses,
        "largest_difference_of_weights": largest,
        "difference_of_ways": apart,
        "same_answer": bool(largest <= 1e-4 and apart <= 1e-2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="a step of CLIP beside open_clip's own")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON file to write")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        row = measure(settings, folder)
    spread = " to ".join(f"{ratio:.2f}" for ratio in row["ratio_spread"])
    print(
        f"{settings.model}, batch {settings.batch}, {settings.precision} on {settings.device}, "
        f"{torch.get_num_threads()} threads, load {load:.1f} before: "
        f"ours {row['ours_seconds']:.2f} s, open_clip {row['peer_seconds']:.2f} s, "
        f"ratio {row['ratio']:.2f} ({spread}), same answer: {row['same_answer']} "
        f"(weights {row['largest_difference_of_weights']:.1e}, "
        f"ways {row['difference_of_ways']:.1e}); in seconds of the processor "
        f"{row['ours_processor_seconds']:.2f}, {row['peer_processor_seconds']:.2f}, "
        f"ratio {row['processor_ratio']:.2f}"
    )
    if settings.out is not None:
        given = {k: v for k, v in vars(settings).items() if k != "out"}
        given |= {"threads": torch.get_num_threads(), "machine": platform.machine(), "load": load}
        write_json(settings.out, {"benchmark": "clip_step", "settings": given, "rows": [row]})


if __name__ == "__main__":
    main()
