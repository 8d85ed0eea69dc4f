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
