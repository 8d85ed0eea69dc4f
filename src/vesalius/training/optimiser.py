"""The optimiser: which parameters learn, how fast, and which of them decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vesalius.core import TrainingError
from vesalius.training.distributed import is_sharded
from vesalius.training.lars import LARS
from vesalius.training.settings import Optimisation

FUSED_DEVICES = ("cpu", "cuda")
Groups = list[dict[str, Any]]


def make_optimiser(
    parameters: Sequence[tuple[nn.Parameter, float]], optimisation: Optimisation
) -> Optimizer:
    """Return the optimiser of ``(parameter, learning rate)`` pairs; frozen parameters are left out.

    ``adamw`` decays matrices and kernels, but no bias, normalisation or logit scale (Loshchilov and
    Hutter 2019) and has CLIP's betas (0.9, 0.98: Radford et al. 2021, table 19). ``adam`` adds the
    decay of every parameter to its gradient, as PubMedCLIP does. ``lars`` neither decays biases and
    normalisations nor scales their steps.

    Raises:
        TrainingError: every parameter is frozen.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter, rate in parameters:
        if parameter.requires_grad:
            decays = optimisation.optimiser == "adam" or parameter.ndim >= 2
            key = rate, optimisation.weight_decay if decays else 0.0
            groups.setdefault(key, []).append(parameter)
    if not groups:
        raise TrainingError("nothing can learn: every parameter is frozen")
    settings, place = [], 0
    for (rate, decay), own in groups.items():
        places = list(range(place, place := place + len(own)))
        for kind in (False, True):  # one kernel takes either whole tensors or sharded ones
            chosen = [i for i, parameter in enumerate(own) if is_sharded(parameter) is kind]
            if chosen:
                settings.append({
                    "params": [own[i] for i in chosen], "places": [places[i] for i in chosen],
                    "lr": rate, "base_rate": rate, "weight_decay": decay,
                })  # fmt: skip
    return BUILDERS[optimisation.optimiser](settings)


def _adamw(groups: Groups) -> Optimizer:
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=_fused(groups))


def _adam(groups: Groups) -> Optimizer:
    return torch.optim.Adam(groups, fused=_fused(groups))


def _fused(groups: Groups) -> bool:
    """Whether one kernel can update all: three times as fast on a CPU, equal up to rounding."""
    return all(
        parameter.device.type in FUSED_DEVICES and parameter.is_floating_point()
        for group in groups
        for parameter in group["params"]
    )


BUILDERS: dict[str, Callable[[Groups], Optimizer]] = {"adamw": _adamw, "adam": _adam, "lars": LARS}


def learners(optimiser: Optimizer) -> list[tuple[int, nn.Parameter]]:
    """Return what learns, each with its place in checkpoints: that does not depend on sharding."""
    return [
        (place, parameter)
        for group in optimiser.param_groups
        for place, parameter in zip(group["places"], group["params"], strict=True)
    ]


def set_rate(optimiser: Optimizer, factor: float) -> float:
    """Multiply each group's own learning rate by the factor; return the first group's rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * factor
    return float(optimiser.param_groups[0]["lr"])
