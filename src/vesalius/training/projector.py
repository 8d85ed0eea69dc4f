"""Projectors: layers between an image tower and a loss on views; they are thrown away afterwards.

Legend of shapes: B batch, D width of the tower, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def projector(width: int, layers: Sequence[int], *, seed: int, normed_end: bool) -> nn.Sequential:
    """Return linear layers with batch normalisation and ReLU between them: D -> ... -> P.

    Biases are left to the normalisation. ``normed_end`` normalises the last layer too (SimCLR, Chen
    et al. 2020); Barlow Twins (Zbontar et al. 2021) leaves it bare, its loss normalises.

    >>> layers = projector(8, (16, 4), seed=0, normed_end=False)
    >>> [type(layer).__name__ for layer in layers]
    ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    parts: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for last, size in enumerate(layers, start=1 - len(layers)):
            parts.append(nn.Linear(width, size, bias=False))
            if last or normed_end:
                parts.append(nn.BatchNorm1d(size))
            if last:
                parts.append(nn.ReLU())
            width = size
    return nn.Sequential(*parts)
