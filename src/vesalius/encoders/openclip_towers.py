"""open_clip's towers, with patch features in the joint space.

Legend of shapes: B batch, C channels, H W pixels, L tokens, D width, h w patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor


class ImageTower(nn.Module):
    """An image tower of open_clip: its own ViT, CLIP's ResNet, or a timm model."""

    def __init__(self, visual: nn.Module, *, name: str) -> None:
        super().__init__()
        self.visual: Any = visual
        self.name = name

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        found = self.visual(pixels_BCHW)
        return found[0] if isinstance(found, tuple) else found

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the last layer's patches, sent through the tower's own norm and projection."""
        from open_clip.modified_resnet import ModifiedResNet
        from open_clip.timm_model import TimmModel
        from open_clip.transformer import VisionTransformer

        if isinstance(self.visual, VisionTransformer) and self.visual.attn_pool is None:
            return _of_vit(self.visual, pixels_BCHW)
        if isinstance(self.visual, ModifiedResNet):
            return _of_resnet(self.visual, pixels_BCHW)
        if isinstance(self.visual, TimmModel):
            return _of_timm(self.visual, pixels_BCHW, name=self.name)
        raise ModelError(f"{self.name}: this image tower gives no patch features")


class TextTower(nn.Module):
    """A text tower of open_clip. ``pad_id`` says which columns a masked tower may be spared."""

    def __init__(self, text: nn.Module, *, pad_id: int | None) -> None:
        super().__init__()
        self.text = text
        self.pad_id = pad_id

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        if self.pad_id is not None and tokens_BL.numel():
            used_L = (tokens_BL != self.pad_id).any(0)
            length = int(used_L.nonzero().max()) + 1 if used_L.any() else 1
            tokens_BL = tokens_BL[:, :length]
        found = self.text(tokens_BL)
        return found[0] if isinstance(found, tuple) else found


def _of_vit(visual: Any, pixels_BCHW: Tensor) -> Tensor:
    last_BChw = visual.forward_intermediates(
        pixels_BCHW, indices=1, intermediates_only=True, normalize_intermediates=True
    )["image_intermediates"][-1]
    if visual.proj is None:
        return last_BChw
    return torch.einsum("bchw,cd->bdhw", last_BChw, visual.proj)


def _of_resnet(visual: Any, pixels_BCHW: Tensor) -> Tensor:
    """Values of the attention pool at each place, unmixed (Zhou et al. 2022, section 3.2)."""
    last_BChw = visual.forward_intermediates(pixels_BCHW, indices=1, intermediates_only=True)[
        "image_intermediates"
    ][-1]
    pool = visual.attnpool
    return pool.c_proj(pool.v_proj(last_BChw.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def _of_timm(visual: Any, pixels_BCHW: Tensor, *, name: str) -> Tensor:
    from timm.models.resnet import ResNet
    from timm.models.vision_transformer import VisionTransformer

    trunk, head = visual.trunk, visual.head
    if (
        isinstance(trunk, VisionTransformer)
        and trunk.attn_pool is None
        and "pool" not in head._modules
    ):
        last_BChw = trunk.forward_intermediates(
            pixels_BCHW, indices=1, norm=True, intermediates_only=True, output_fmt="NCHW"
        )[-1]
        last_BhwC = trunk.fc_norm(last_BChw.permute(0, 2, 3, 1))
        return head(trunk.head(last_BhwC)).permute(0, 3, 1, 2)
    if isinstance(trunk, ResNet) and "pool" not in head._modules:
        last_BhwC = trunk.forward_features(pixels_BCHW).permute(0, 2, 3, 1)
        return head(trunk.fc(last_BhwC)).permute(0, 3, 1, 2)
    raise ModelError(f"{name}: no patch features from a timm {type(trunk).__name__}")
