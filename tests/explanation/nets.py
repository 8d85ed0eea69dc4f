"""Small models whose maps a hand or a slow loop can check."""

import torch
from torch import nn

from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.preprocessing import Preprocessing


def of(tower, size, width):
    return image_encoder(
        tower, name="small", family="timm", width=width, preprocess=Preprocessing.usual(size),
        config={}, start="random",
    )  # fmt: skip


class Hand(nn.Module):
    """One channel of the last map counts 2 and one -3; a mean over its places."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(2))
        for layer in self.layers:
            nn.init.zeros_(layer[0].bias)
            layer[0].weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, pixels_BCHW):
        mean_BC = self.layers[1](self.layers[0](pixels_BCHW)).mean((2, 3))
        return 2 * mean_BC[:, :1] - 3 * mean_BC[:, 1:2]


class Bright(Hand):
    """Its score is the mean of the pixels above the middle grey."""

    def forward(self, pixels_BCHW):
        return self.layers[1](self.layers[0](pixels_BCHW.relu())).mean((1, 2, 3))[:, None]


def state(model):
    """What a borrowed model must give back."""
    hooks = sum(len(part._forward_hooks) for part in model.modules())
    kept = (
        [part.training for part in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [p.grad is None for p in model.parameters()],
        hooks,
    )
    return kept, {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a[0] == b[0] and all(torch.equal(a[1][name], b[1][name]) for name in a[1])
