"""``tiny``: a dual encoder that learns on two CPU cores in minutes.

A residual ConvNet of plain 3 × 3 convolutions and a small text transformer; no file is needed.
Legend: B batch, C channels, H W pixels, L tokens, D width, h w patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.tiny_vocabulary import train_tokenizer
from vesalius.encoders.tokenizer import Tokenizer

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int64
    from torch import Tensor

WIDTH = 256
CHANNELS = (32, 64, 128, 256)
BLOCKS = (0, 0, 1, 1)
TEXT_WIDTH = 192
TEXT_LAYERS = 2
TEXT_HEADS = 4
CONTEXT = 128
IMAGE_SIZE = 112
EVEN = 1e-3  # keeps an image of one shade at zero


class _Block(nn.Module):
    """Two 3 × 3 convolutions with a shortcut (He et al. 2016); the branch starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return torch.relu(x_BCHW + self.norm(self.second(self.first(x_BCHW))))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ImageTower(nn.Module):
    """Strided 3 × 3 convolutions and residual blocks, maximum over patches, linear projection.

    Each image is brought to mean 0 and deviation 1 first: how a scanner exposes says nothing. The
    maximum keeps what is small: a nodule lies in one patch of many.
    """

    def __init__(self, *, channels: Sequence[int], blocks: Sequence[int], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for outputs, depth in zip(channels, blocks, strict=True):
            layers += [_convolution(before, outputs, stride=2)]
            layers += [_Block(outputs) for _ in range(depth)]
            before = outputs
        self.trunk = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.projection = nn.Linear(before, width)

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.projection(self._features(pixels_BCHW).amax((2, 3)))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        features_BhwC = self._features(pixels_BCHW).permute(0, 2, 3, 1)
        return self.projection(features_BhwC).permute(0, 3, 1, 2)

    def _features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        std_B111, mean_B111 = torch.std_mean(pixels_BCHW, (1, 2, 3), keepdim=True)
        pixels_BCHW = (pixels_BCHW - mean_B111) / (std_B111 + EVEN)
        return self.trunk(pixels_BCHW.contiguous(memory_format=torch.channels_last))


class TextTower(nn.Module):
    """A pre-norm transformer over word pieces, maximum over the tokens, linear projection."""

    def __init__(
        self,
        *,
        vocabulary: int,
        context: int,
        text_width: int,
        layers: int,
        heads: int,
        width: int,
        pad_id: int = 0,
    ) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.words = nn.Embedding(vocabulary, text_width)
        self.places = nn.Parameter(torch.zeros(context, text_width))
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.normal_(self.places, std=0.01)
        self.layers = nn.ModuleList(_Layer(text_width, heads) for _ in range(layers))
        for module in self.layers.modules():  # as GPT-2 starts: words before their mixtures
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.norm = nn.LayerNorm(text_width)
        self.projection = nn.Linear(text_width, width)

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        known_BL = tokens_BL != self.pad_id
        length = int(known_BL.sum(1).max())
        tokens_BL, known_BL = tokens_BL[:, :length], known_BL[:, :length]
        x_BLD = self.words(tokens_BL) + self.places[:length]
        for layer in self.layers:
            x_BLD = layer(x_BLD, known_BL)
        x_BLD = self.norm(x_BLD).masked_fill(~known_BL[:, :, None], float("-inf"))
        return self.projection(x_BLD.amax(1))


class _Layer(nn.Module):
    """Self-attention and a two-layer network, each on a normalised copy."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_network = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, x_BLD: Float[Tensor, "B L D"], known_BL: Bool[Tensor, "B L"]
    ) -> Float[Tensor, "B L D"]:
        batch, length, width = x_BLD.shape
        parts = self.queries_keys_values(self.before_attention(x_BLD))
        q, k, v = parts.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = known_BL[:, None, None, :]
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x_BLD = x_BLD + self.attended(attended.transpose(1, 2).reshape(batch, length, width))
        return x_BLD + self.network(self.before_network(x_BLD))


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with the weights that torch's RNG gives."""
    if words is None:
        raise ModelError("tiny: tokenizer.json is missing; it belongs beside config.json")
    model = config["model"]
    tokenizer = Tokenizer(words, **config["tokenizer"])
    if tokenizer.vocabulary_size != model["vocabulary"]:
        raise ModelError(
            f"tiny: tokenizer.json has {tokenizer.vocabulary_size} tokens, "
            f"the text tower {model['vocabulary']}"
        )
    image = ImageTower(channels=model["channels"], blocks=model["blocks"], width=model["width"])
    text = TextTower(
        vocabulary=model["vocabulary"],
        context=tokenizer.context_length,
        text_width=model["text_width"],
        layers=model["text_layers"],
        heads=model["text_heads"],
        width=model["width"],
        pad_id=tokenizer.pad_id,
    )
    return DualEncoder(
        image,
        text,
        name=config["name"],
        family="tiny",
        width=model["width"],
        preprocess=Preprocessing.from_dict(config["preprocessing"]),
        tokenizer=tokenizer,
        config=model,
        start=config["start"],
    )


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return a tiny model with random weights; its tokenizer is trained on ``texts``."""
    if argument:
        raise ModelError(f"'tiny' takes nothing after a colon, not {argument!r}")
    tokenizer = train_tokenizer(texts, context_length=CONTEXT)
    model = {
        "width": WIDTH,
        "channels": list(CHANNELS),
        "blocks": list(BLOCKS),
        "text_width": TEXT_WIDTH,
        "text_layers": TEXT_LAYERS,
        "text_heads": TEXT_HEADS,
        "vocabulary": tokenizer.vocabulary_size,
    }
    config = {
        "name": "tiny",
        "start": f"random weights, seed {seed}",
        "model": model,
        "preprocessing": Preprocessing.usual(image_size or IMAGE_SIZE).as_dict(),
        "tokenizer": tokenizer.settings(),
    }
    return build(config, tokenizer.json)
