"""Discs on noise in images of many sizes, and a network that finds them within seconds."""

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.training import Conditions, Optimisation

torch.set_num_threads(1)
SIDE = 32


class Small(nn.Sequential):
    """A U-Net's opening and end, with nothing between: three convolutions."""

    def __init__(self, channels=1, seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            super().__init__(
                nn.Conv2d(channels, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(),
                nn.Dropout2d(0.05), nn.Conv2d(8, 8, 5, padding=2), nn.ReLU(),
                nn.Conv2d(8, 1, 3, padding=1),
            )  # fmt: skip


def draw_discs(count=16, seed=0, sizes=((32, 32), (40, 56), (48, 33))):
    """Return images, each with one disc that is brighter than the noise, and their masks."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        y, x = np.mgrid[:height, :width]
        radius = rng.uniform(0.2, 0.3) * min(height, width)
        top, left = (rng.uniform(radius, side - radius) for side in (height, width))
        mask = (y - top) ** 2 + (x - left) ** 2 < radius**2
        noise = rng.normal(70, 15, (height, width))
        images.append(np.clip(noise + 60 * mask, 0, 255).astype(np.uint8))
        masks.append(mask)
    return images, masks


@pytest.fixture
def small():
    return Small()


@pytest.fixture
def discs():
    return draw_discs


@pytest.fixture
def quick():
    return Optimisation(epochs=4, batch_size=8, learning_rate=1e-2, weight_decay=0.0)


@pytest.fixture
def conditions(tmp_path):
    return Conditions(tmp_path / "run", progress=False)
