"""BiomedCLIP's port to transformers' layout (chuhac/BiomedCLIP-vit-bert-hf), behind ``hf:PATH``.

Its config.json says ``clip``, with a ``vit``, a ``bert`` and a projection of the text, and names
code of its own, which is never run: here are the same towers. Facts from that code: CLIP's names
for all tensors; a ViT with norms before each block, none before the first, and one after the class
token; BERT's first token through two layers without biases; every norm's epsilon is the config's,
1e-12, where BiomedCLIP's own image tower has 1e-6.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.authors_files import assembled, bert_words, described
from vesalius.encoders.bert_tower import BertTower
from vesalius.encoders.checkpoint import fill, read_tensors
from vesalius.encoders.timm_images import TimmTower

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders.dual_encoder import DualEncoder
    from vesalius.encoders.preprocessing import Preprocessing

CONTEXT = 256
"""The length of BiomedCLIP's training; the port's BERT has 512 positions, half never trained."""

STALE = frozenset(
    {
        "text_model.embeddings.position_ids",
        "vision_model.embeddings.position_ids",
        "text.transformer.embeddings.position_ids",
    }
)
"""Counters that older versions saved among the weights."""

VISION = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding.weight",
    "patch_embed.proj.": "embeddings.patch_embedding.",
    "norm.": "post_layernorm.",
}
BLOCK = {
    "norm1.": "layer_norm1.",
    "attn.proj.": "self_attn.out_proj.",
    "norm2.": "layer_norm2.",
    "mlp.": "mlp.",
}
TEXT = {
    "embeddings.word_embeddings.": "embeddings.token_embedding.",
    "embeddings.position_embeddings.": "embeddings.position_embedding.",
    "embeddings.token_type_embeddings.": "embeddings.token_type_embedding.",
    "embeddings.LayerNorm.": "embeddings.layer_norm.",
}
LAYER = {
    "attention.self.query.": "self_attn.q_proj.",
    "attention.self.key.": "self_attn.k_proj.",
    "attention.self.value.": "self_attn.v_proj.",
    "attention.output.dense.": "self_attn.out_proj.",
    "attention.output.LayerNorm.": "layer_norm1.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
    "output.LayerNorm.": "layer_norm2.",
}
HEADS = {
    "image.head.": "visual_projection.",
    "text.head.0.": "text_projection.fc1.",
    "text.head.2.": "text_projection.fc2.",
}


class ImageTower(nn.Module):
    """A ViT of timm and a linear layer without a bias.

    Legend: B batch, C channels, H W pixels, D width, h w places.
    """

    def __init__(self, trunk: TimmTower, channels: int, width: int) -> None:
        super().__init__()
        self.vit = trunk
        self.head = nn.Linear(channels, width, bias=False)

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.head(self.vit(pixels_BCHW))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the normed patches through the class token's projection."""
        patches_BhwC = self.vit.patch_features(pixels_BCHW).permute(0, 2, 3, 1)
        return self.head(patches_BhwC).permute(0, 3, 1, 2)


def is_port(config: dict[str, Any]) -> bool:
    """Return whether a config.json is that of the port, or of a model tuned from it."""
    kinds = [_part(config, f"{name}_config").get("model_type") for name in ("vision", "text")]
    return (
        config.get("model_type") == "clip"
        and kinds == ["vit", "bert"]
        and bool(_part(config, "text_projection_config"))
    )


def load_port(
    folder: Path,
    config: dict[str, Any],
    weights: Path,
    *,
    name: str,
    pixels: Preprocessing,
    too_long: str,
) -> DualEncoder:
    """Return the model of a folder in the port's layout; raises ModelError where it is another."""
    text = _part(config, "text_config")
    length = min(CONTEXT, int(text.get("max_position_embeddings", 512)))
    words = bert_words(folder, context_length=length, too_long=too_long)
    shape = {
        "vision_config": _part(config, "vision_config"),
        "text_config": text,
        "text_projection_config": _part(config, "text_projection_config"),
        "width": int(config.get("projection_dim", 512)),
    }
    plan = described(name, weights=weights, model=shape, pixels=pixels, words=words)
    try:
        model = build(plan, words.json)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder / 'config.json'} does not describe a model: {error!r}"
        ) from error
    tensors = read_tensors(weights)
    for key, dims in (("class_embedding", 1), ("position_embedding.weight", 2)):
        key = f"vision_model.embeddings.{key}"
        if key in tensors and tensors[key].ndim == dims:  # timm has them for a batch of one
            tensors[key] = tensors[key].reshape(*[1] * (3 - dims), *tensors[key].shape)
    fill(model, tensors, weights, names=_named, ignore=STALE)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes, with random weights."""
    from timm.models.vision_transformer import VisionTransformer

    shape, name = config["model"], config["name"]
    vision, text = shape["vision_config"], shape["text_config"]
    middle, width = shape["text_projection_config"], shape["width"]
    for part in (vision, text, middle):
        if part.get("hidden_act", "gelu") != "gelu":
            raise ModelError(f"{name}: hidden_act {part['hidden_act']!r} is not 'gelu'")
    channels = vision["hidden_size"]
    vit: Any = VisionTransformer(
        img_size=vision["image_size"],
        patch_size=vision["patch_size"],
        in_chans=vision.get("num_channels", 3),
        num_classes=0,
        embed_dim=channels,
        depth=vision["num_hidden_layers"],
        num_heads=vision["num_attention_heads"],
        mlp_ratio=vision["intermediate_size"] / channels,
        norm_layer=partial(nn.LayerNorm, eps=vision["layer_norm_eps"]),
    )
    image = ImageTower(TimmTower(vit, name=name), channels, width)
    hidden = middle["intermediate_size"]
    head = nn.Sequential(
        nn.Linear(text["hidden_size"], hidden, bias=False),
        nn.GELU(),
        nn.Linear(hidden, width, bias=False),
    )
    tower = BertTower(text, head, pooling="cls")
    return assembled(config, words, image, tower, family="biomedclip_port", width=width)


def _named(name: str) -> tuple[str, ...]:
    """Return how the file calls a tensor of the model; the three of attention are parts of one."""
    vision, bert = "image.vit.model.", "text.bert."
    if name.startswith(vision):
        rest, where, layers = name.removeprefix(vision), "vision_model.", BLOCK
        if not rest.startswith("blocks."):
            return (where + _renamed(rest, VISION),)
        _, number, rest = rest.split(".", 2)
    elif name.startswith(bert):
        rest, where, layers = name.removeprefix(bert), "text_model.", LAYER
        if not rest.startswith("encoder.layer."):
            return (where + _renamed(rest, TEXT),)
        _, _, number, rest = rest.split(".", 3)
    else:
        return (_renamed(name, HEADS),)
    place = f"{where}encoder.layers.{number}."
    if rest.startswith("attn.qkv."):
        kind = rest.removeprefix("attn.qkv.")
        return tuple(f"{place}self_attn.{part}_proj.{kind}" for part in "qkv")
    return (place + _renamed(rest, layers),)


def _renamed(name: str, prefixes: dict[str, str]) -> str:
    found = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
    return prefixes.get(found, "") + name.removeprefix(found)


def _part(config: dict[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}
