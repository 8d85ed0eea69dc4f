"""LARS: each layer's step is in proportion to its own weights, so that large batches train."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import Optimizer


class LARS(Optimizer):
    """Momentum on gradients that are scaled, layer by layer, to the length of the layer's weights.

    For weights w with gradient g, decay β, rate γ, momentum m, and trust η: λ = η‖w‖/(‖g‖ + β‖w‖);
    v ← mv + λ(g + βw); w ← w − γv. Where w or g has no length, and for vectors and scalars (biases,
    normalisations), λ is 1; what decays is the groups' ``weight_decay``.

    Source: You et al. 2017, algorithm 1; without biases and normalisations as in Chen et al. 2020.

    >>> weight = torch.nn.Parameter(torch.eye(2))
    >>> weight.grad = torch.full((2, 2), 5.0)
    >>> LARS([weight], lr=1.0, trust=0.1).step()
    >>> weight.diagonal()  # of length √2 and gradient of length 10: a step of 0.1 √2 / 10 x 5
    tensor([0.9293, 0.9293], grad_fn=<DiagonalBackward0>)
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; ``closure`` computes the loss again, as torch's optimisers allow."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: torch.Tensor, group: dict[str, Any]) -> None:
        assert weight.grad is not None, "checked before"
        decay = group["weight_decay"]
        step = weight.grad.add(weight, alpha=decay) if decay else weight.grad.clone()
        if weight.ndim > 1:
            own, slope = weight.norm(), weight.grad.norm()
            scale = group["trust"] * own / (slope + decay * own)
            step.mul_(torch.where((own > 0) & (slope > 0), scale, torch.ones_like(scale)))
        state = self.state[weight]
        if "momentum" in state:
            step = state["momentum"].mul_(group["momentum"]).add_(step)
        else:
            state["momentum"] = step
        weight.sub_(step, alpha=group["lr"])
