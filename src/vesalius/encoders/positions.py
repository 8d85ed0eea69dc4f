"""Where the vectors of a layer lie: one form for tokens, maps and maps with channels last.

Legend of shapes: B batch, C channels, H W pixels, L positions (patches and, before them, class and
register tokens), P = h·w patches, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from torch import nn

from vesalius.core import ModelError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Side2 = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Positions:
    """How a layer orders its values, how many tokens come before the patches, and their grid.

    ``order`` is ``BLD``, ``LBD`` (tokens first), ``BDhw``, ``BhwD`` (channels last) or ``BD`` (one
    vector an image). ``prefix`` counts class and register tokens, which lie nowhere.
    """

    order: str
    prefix: int
    grid: Side2


@dataclass(frozen=True, slots=True, eq=False)
class LayerOutput:
    """A layer's values as it gave them (or a gradient of that shape), and where they lie."""

    values: Tensor
    positions: Positions

    @property
    def tokens_BLD(self) -> Float[Tensor, "B L D"]:
        """All positions in one form."""
        return as_tokens_BLD(self.values, order=self.positions.order)

    @property
    def patches_BPD(self) -> Float[Tensor, "B P D"]:
        """The positions that lie somewhere in the image: no class token, no registers."""
        return self.tokens_BLD[:, self.positions.prefix :]

    @property
    def map_BDhw(self) -> Float[Tensor, "B D h w"]:
        """The patches at their places."""
        patches_BPD = self.patches_BPD
        return patches_BPD.transpose(1, 2).unflatten(2, self.positions.grid)


def as_tokens_BLD(values: Tensor, *, order: str) -> Float[Tensor, "B L D"]:
    """Return a view of a layer's values with one row a position.

    >>> import torch
    >>> as_tokens_BLD(torch.zeros(2, 5, 3, 4), order="BDhw").shape
    torch.Size([2, 12, 5])
    """
    if order == "BD":
        return values[:, None]
    if order == "LBD":
        return values.transpose(0, 1)
    if order == "BDhw":
        return values.flatten(2).transpose(1, 2)
    return values.flatten(1, 2) if order == "BhwD" else values


def positions_of(
    name: str,
    layer: nn.Module,
    tower: nn.Module,
    values: Tensor,
    pixels_BCHW: Float[Tensor, "B C H W"],
) -> Positions:
    """Return where the values of a tower's layer lie, from their shape and the tower's structure.

    The grid of tokens is that of the convolution of the pixels whose kernel is its stride (the
    patch embedding), halved where stages merged patches, and square where there is none. What
    exceeds it are class and register tokens, which every tower of the zoo puts first; patches
    stand in rows, from the upper left.

    Raises:
        ModelError: the shape is of no known form.
    """
    batch, size = len(pixels_BCHW), (pixels_BCHW.shape[2], pixels_BCHW.shape[3])
    order = _order(layer, tuple(values.shape), batch, size)
    if order is None:
        raise ModelError(
            f"layer {name} gives values of shape {tuple(values.shape)} for {batch} images: neither "
            "tokens nor a map"
        )
    if order == "BD":
        return Positions(order, 0, (1, 1))
    if order in ("BDhw", "BhwD"):
        first = 2 if order == "BDhw" else 1
        return Positions(order, 0, (values.shape[first], values.shape[first + 1]))
    length = values.shape[order.index("L")]
    height, width = _patch_grid(tower, pixels_BCHW.shape[1], size) or (isqrt(length),) * 2
    while height * width > length:  # stages that merged 2 × 2 patches
        height, width = (height + 1) // 2, (width + 1) // 2
    return Positions(order, length - height * width, (height, width))


def _order(layer: nn.Module, shape: tuple[int, ...], batch: int, size: Side2) -> str | None:
    if len(shape) == 3:
        if batch not in shape[:2]:
            return None
        if shape[0] == shape[1]:  # as many images as positions: only the layer itself can tell
            return "LBD" if _tokens_first(layer) else "BLD"
        return "BLD" if shape[0] == batch else "LBD"
    if shape[0] != batch or len(shape) not in (2, 4):
        return None
    if len(shape) == 2:
        return "BD"
    height, width = size
    first = shape[2] * width == shape[3] * height
    last = shape[1] * width == shape[2] * height
    if first == last:  # a cube, or sides that were rounded: convolutions want channels first
        first = any(isinstance(part, nn.Conv2d) for part in layer.modules())
    return "BDhw" if first else "BhwD"


def _tokens_first(layer: nn.Module) -> bool:
    found = [part for part in layer.modules() if isinstance(part, nn.MultiheadAttention)]
    return any(not part.batch_first for part in found)


def _patch_grid(tower: nn.Module, channels: int, size: Side2) -> Side2 | None:
    for part in tower.modules():
        if not isinstance(part, nn.Conv2d) or part.in_channels != channels:
            continue
        if part.kernel_size == part.stride and max(part.stride) > 1:
            around = (0, 0) if isinstance(part.padding, str) else part.padding
            sides = [
                (side + 2 * more - step) // step + 1
                for side, more, step in zip(size, around, part.stride, strict=True)
            ]
            return sides[0], sides[1]
    return None
