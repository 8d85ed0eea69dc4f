"""The optimiser: which parameters learn, how fast, and which of them decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from vesalius.core import TrainingError
from vesalius.training.settings import Optimisation

if TYPE_CHECKING:
    from torch.optim import Optimizer


def make_optimiser(
    parameters: Sequence[tuple[nn.Parameter, float]], optimisation: Optimisation
) -> Optimizer:
    """Return the optimiser of ``(parameter, learning rate)`` pairs; frozen parameters are left out.

    ``adamw`` decays matrices and kernels, but no bias, normalisation or logit scale (Loshchilov and
    Hutter 2019) and has CLIP's betas (0.9, 0.98: Radford et al. 2021, table 19). ``adam`` adds the
    decay of every parameter to its gradient, as PubMedCLIP does.

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
    settings = [
        {"params": own, "lr": rate, "base_rate": rate, "weight_decay": decay}
        for (rate, decay), own in groups.items()
    ]
    if optimisation.optimiser == "adam":
        return torch.optim.Adam(settings)
    return torch.optim.AdamW(settings, betas=(0.9, 0.98))


def set_rate(optimiser: Optimizer, factor: float) -> float:
    """Multiply each group's own learning rate by the factor; return the first group's rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * factor
    return float(optimiser.param_groups[0]["lr"])
