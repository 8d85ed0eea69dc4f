"""Borrow a model and give it back unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Give every part its training mode back, also after an error."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def evaluating(model: nn.Module, *, device: str | None = None) -> Iterator[None]:
    """Borrow a model: evaluation mode, no gradients, another device; all given back."""
    home = next(model.parameters()).device
    with modes_kept(model):
        try:
            if device is not None:
                model.to(device)
            model.eval()
            with torch.no_grad():  # inference mode would mark what a model caches as untrainable
                yield
        finally:
            model.to(home)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Let no parameter ask for a gradient, so that a graph holds what it is wanted for only."""
    asked = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in asked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)
