"""Swin-T (Liu et al. 2021), and the names that transformers 4 gave its weights.

The module is torchvision's, whose names stay; there query, key and value are one matrix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

DEPTHS, HEADS, WIDTH, SIZE = (2, 2, 6, 2), (3, 6, 12, 24), 768, 224

_OUTSIDE = {
    "features.0.0": "embeddings.patch_embeddings.projection",
    "features.0.2": "embeddings.norm",
    "norm": "layernorm",
}
_INSIDE = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "attn.relative_position_bias_table": "attention.self.relative_position_bias_table",
    "norm2": "layernorm_after",
    "mlp.0": "intermediate.dense",
    "mlp.3": "output.dense",
}


class SwinTrunk(nn.Module):
    """Swin-T up to its last norm, ``B 3 224 224 -> B 768 7 7``."""

    def __init__(self) -> None:
        from torchvision.models.swin_transformer import SwinTransformer

        super().__init__()
        whole = SwinTransformer(
            patch_size=[4, 4],
            embed_dim=WIDTH // 8,
            depths=list(DEPTHS),
            num_heads=list(HEADS),
            window_size=[7, 7],
            stochastic_depth_prob=0.1,
        )
        self.features = whole.features
        self.norm = whole.norm
        for module in self.features.modules():  # follows from the window: no weight
            if hasattr(module, "relative_position_index"):
                index = module.relative_position_index
                module.register_buffer("relative_position_index", index, persistent=False)

    def forward(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        return self.norm(self.features(pixels_BCHW)).permute(0, 3, 1, 2)


def names_in_transformers(prefix: str) -> Callable[[str], tuple[str, ...]]:
    """Return how a file of transformers 4 names a tensor of :class:`SwinTrunk`.

    >>> names_in_transformers("m.")("features.3.1.attn.proj.bias")
    ('m.encoder.layers.1.blocks.1.attention.output.dense.bias',)
    """

    def named(name: str) -> tuple[str, ...]:
        for ours, theirs in _OUTSIDE.items():
            if name.startswith(f"{ours}."):
                return (prefix + theirs + name.removeprefix(ours),)
        found = re.fullmatch(r"features\.(\d+)\.(.*)", name)
        assert found is not None, name  # SwinTrunk has no other names
        stage, rest = (int(found[1]) - 1) // 2, found[2]
        layer = f"{prefix}encoder.layers.{stage}"
        if rest.startswith(("reduction.", "norm.")):
            return (f"{layer}.downsample.{rest}",)
        block, _, inside = rest.partition(".")
        place = f"{layer}.blocks.{block}"
        if inside.startswith("attn.qkv."):
            part = inside.removeprefix("attn.qkv.")
            return tuple(f"{place}.attention.self.{x}.{part}" for x in ("query", "key", "value"))
        start = next(start for start in _INSIDE if inside.startswith(start))
        return (f"{place}.{_INSIDE[start]}{inside.removeprefix(start)}",)

    return named


def unused(prefix: str) -> set[str]:
    """Return the names of the tables that follow from the window and that older files hold."""
    return {
        f"{prefix}encoder.layers.{stage}.blocks.{block}.attention.self.relative_position_index"
        for stage, depth in enumerate(DEPTHS)
        for block in range(depth)
    }
