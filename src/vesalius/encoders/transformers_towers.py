"""The towers of transformers' CLIP, SigLIP and DINOv2, each a plain module.

Legend of shapes: B batch, C channels, H W pixels, L tokens, N patches, W width of a tower, D width
of the joint space, h w patches.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor


class ClipImageTower(nn.Module):
    """CLIP's ViT: its first token, normalised and projected."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision = model.vision_model
        self.projection = model.visual_projection

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.projection(self.vision(pixel_values=pixels_BCHW).pooler_output)

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the last layer's patches through the tower's own norm and projection."""
        last_BNW = self.vision(pixel_values=pixels_BCHW).last_hidden_state[:, 1:]
        return _as_map(self.projection(self.vision.post_layernorm(last_BNW)))


class ClipTextTower(nn.Module):
    """CLIP's text transformer: the end token's vector, projected."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text = model.text_model
        self.projection = model.text_projection

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        return self.projection(self.text(input_ids=tokens_BL).pooler_output)


class SiglipImageTower(nn.Module):
    """SigLIP's ViT with its attention pool."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision = model.vision_model

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.vision(pixel_values=pixels_BCHW).pooler_output

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return what the attention pool makes of each patch alone."""
        last_BNW = self.vision(pixel_values=pixels_BCHW).last_hidden_state
        batch, patches, width = last_BNW.shape
        alone_BNW = self.vision.head(last_BNW.reshape(batch * patches, 1, width))
        return _as_map(alone_BNW.reshape(batch, patches, width))


class SiglipTextTower(nn.Module):
    """SigLIP's text transformer: the last position's vector; texts are padded to the full length.

    Padding is attended to, as in training.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text = model.text_model

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        return self.text(input_ids=tokens_BL).pooler_output


class DinoImageTower(nn.Module):
    """DINOv2's ViT: its first token after the last norm."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision = model

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.vision(pixel_values=pixels_BCHW).pooler_output

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the last layer's patches after the last norm."""
        return _as_map(self.vision(pixel_values=pixels_BCHW).last_hidden_state[:, 1:])


def _as_map(patches_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B D h w"]:
    batch, patches, width = patches_BND.shape
    side = isqrt(patches)
    return patches_BND.transpose(1, 2).reshape(batch, width, side, side)
