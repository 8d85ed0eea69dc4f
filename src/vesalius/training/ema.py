"""A running average of the weights, which is often better than where they end.

Parameters that learn are averaged. Buffers (batch statistics) are those of the weights under way:
they are running averages themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from vesalius.training.sharding import own_part

if TYPE_CHECKING:
    from torch import Tensor


class Average:
    """The exponential moving average of a module's parameters, by their names.

    After step t (from 1) it moves by ``1 - min(decay, (1 + t) / (10 + t))`` of the way to the
    weights: at first it follows them closely, so that it does not linger at where they began.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = module
        self.tensors = {name: value.clone() for name, value in self._learning().items()}

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1 over the whole training."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            [own_part(value) for value in self.tensors.values()],
            [own_part(value) for value in self._learning().values()],
            1 - decay,
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average into the module within the block; its own weights come back exactly."""
        learning = self._learning()
        own = {name: value.clone() for name, value in learning.items()}
        for name, value in learning.items():
            value.copy_(self.tensors[name])
        try:
            yield
        finally:
            for name, value in learning.items():
                value.copy_(own[name])

    def _learning(self) -> dict[str, Tensor]:
        return {
            name: parameter.detach()
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad
        }
