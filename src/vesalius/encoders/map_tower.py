"""An image tower that makes a map of features, pools it and projects it into the joint space.

Legend of shapes: B batch, C channels, H W pixels, h w places of the map, D width.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import nn

from vesalius.core import unknown

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

POOLS = ("mean", "corner")


def resnet50_trunk() -> nn.Module:
    """Return torchvision's ResNet-50 up to its last map, ``B 3 H W -> B 2048 H/32 W/32``."""
    from torchvision.models import resnet50

    layers = list(resnet50().named_children())
    return nn.Sequential(OrderedDict(layers[:-2]))  # all but its pooling and its classifier


class MapTower(nn.Module):
    """``trunk`` gives a map, ``head`` projects the vectors of its last axis.

    ``pool`` is ``mean`` over the places, or ``corner``: the place at the top left alone.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, *, pool: str = "mean") -> None:
        super().__init__()
        if pool not in POOLS:
            raise unknown("pool", pool, POOLS)
        self.trunk = trunk
        self.head = head
        self.pool = pool

    def forward(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        map_BChw = self.trunk(pixels_BCHW)
        return self.head(map_BChw[:, :, 0, 0] if self.pool == "corner" else map_BChw.mean((2, 3)))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Return each place of the map, projected as the pooled vector is."""
        map_BhwC = self.trunk(pixels_BCHW).permute(0, 2, 3, 1)
        return self.head(map_BhwC).permute(0, 3, 1, 2)
