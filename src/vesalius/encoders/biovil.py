"""``biovil`` and ``biovil_t``: BioViL (Boecking et al. 2022, arXiv 2204.09817) and BioViL-T
(Bannur et al. 2023, arXiv 2301.04558), chest radiographs.

Facts from the authors' code: images stretched to 8 bits from their own minimum and maximum, grey,
bilinear 512 on the shortest side, centre crop 480 (T: 448), ÷255 and nothing else, three equal
channels; each place of ResNet-50's last map is projected, the image's vector is the mean of the
projected places. Texts lose their final ``!?.``; CXR-BERT's first token is projected. Scores are
plain cosines: there is no scale. BioViL-T sees one image here, with the learnt vector that stands
for a missing earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError
from vesalius.encoders import bert_tower
from vesalius.encoders.authors_files import (
    WORDS,
    assembled,
    bert_words,
    check_size,
    described,
    folder_with,
)
from vesalius.encoders.bert_tower import BertTower
from vesalius.encoders.checkpoint import fill, prefixed, read_tensors
from vesalius.encoders.map_tower import resnet50_trunk
from vesalius.encoders.operations import Crop, Floats, Grey, Resize, Stretch
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import text_config
from vesalius.encoders.tokenizer import FINAL_MARKS

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders.dual_encoder import DualEncoder

IMAGE_FILES = {
    "biovil": "biovil_image_resnet50_proj_size_128.pt",
    "biovil_t": "biovil_t_image_model_proj_size_128.pt",
}
TEXT_FILES = ("model.safetensors", "pytorch_model.bin")
SOURCES = {
    "biovil": "microsoft/BiomedVLP-CXR-BERT-specialized",
    "biovil_t": "microsoft/BiomedVLP-BioViL-T",
}
SIZES = {"biovil": 480, "biovil_t": 448}
BERT = "bert-base-uncased"  # CXR-BERT has its shape, with a vocabulary of its own of the same size
RESIZE, CONTEXT, WIDTH, PATCH_WIDTH = 512, 512, 128, 256


class ImageTower(nn.Module):
    """ResNet-50's map, each place projected by two layers; the mean of the places.

    Legend: B batch, C channels, h w places, D width. ``reduce`` and ``missing`` are BioViL-T's:
    the map in fewer channels, beside the vector of "no earlier image".
    """

    def __init__(self, *, temporal: bool) -> None:
        super().__init__()
        self.trunk = resnet50_trunk()
        channels = 2048
        self.temporal = temporal
        if temporal:
            self.reduce = nn.Conv2d(2048, PATCH_WIDTH, 1, bias=False)
            self.missing = nn.Parameter(torch.zeros(1, PATCH_WIDTH, 1, 1))
            channels = 2 * PATCH_WIDTH
        self.head = nn.Sequential(
            nn.Conv2d(channels, WIDTH, 1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 1),
        )

    def forward(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        return self.patch_features(pixels_BCHW).mean((2, 3))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        map_BChw = self.trunk(pixels_BCHW)
        if self.temporal:
            map_BChw = self.reduce(map_BChw)
            map_BChw = torch.cat([map_BChw, self.missing.expand_as(map_BChw)], 1)
        return self.head(map_BChw)


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return BioViL; raises ModelError naming the files that are missing and their place."""
    return _load("biovil", argument, weights_dir, image_size)


def load_t(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return BioViL-T; raises ModelError naming the files that are missing and their place."""
    return _load("biovil_t", argument, weights_dir, image_size)


def _load(name: str, argument: str, weights_dir: Path, image_size: int | None) -> DualEncoder:
    if argument:
        raise ModelError(f"{name!r} takes nothing after a colon, not {argument!r}")
    check_size(name, SIZES[name], image_size)
    folder = weights_dir / name
    image_file, text_file, _ = folder_with(
        folder, IMAGE_FILES[name], TEXT_FILES, WORDS, name=name, source=SOURCES[name]
    )
    words = bert_words(folder, context_length=CONTEXT, clean=FINAL_MARKS)
    temporal = name == "biovil_t"
    shape = {"temporal": temporal, "text_config": text_config(BERT, folder)}
    pixels = _pixels(SIZES[name])
    config = described(name, weights=image_file, model=shape, pixels=pixels, words=words)
    model = build(config, words.json)
    _fill_image(model.image, image_file, temporal=temporal)
    _fill_text(model.text, text_file)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights and the scale 1."""
    bert = config["model"]["text_config"]
    head = nn.Sequential(
        nn.Linear(bert["hidden_size"], WIDTH),
        nn.GELU(),
        nn.LayerNorm(WIDTH, eps=1e-12),
        nn.Linear(WIDTH, WIDTH),
    )
    image = ImageTower(temporal=config["model"]["temporal"])
    text = BertTower(bert, head, pooling="cls")
    model = assembled(config, words, image, text, family="biovil", width=WIDTH)
    nn.init.zeros_(model.logit_scale)
    return model


def _pixels(size: int) -> Preprocessing:
    return Preprocessing(size, (Stretch(), Grey(), Resize(RESIZE), Crop(), Floats()))


def _fill_image(tower: nn.Module, file: Path, *, temporal: bool) -> None:
    names = prefixed(
        {
            "trunk.": "encoder.encoder.",
            "reduce.": "encoder.backbone_to_vit.",
            "missing": "encoder.missing_previous_emb",
            "head.": "projector.model.",
        }
    )
    ignore = {f"encoder.encoder.fc.{part}" for part in ("weight", "bias")}
    if temporal:
        ignore |= _temporal_pooler("encoder.vit_pooler.")
    fill(tower, read_tensors(file), file, names=names, ignore=ignore)


def _temporal_pooler(prefix: str) -> set[str]:
    """Return the names of what compares two images, and one image does not need."""
    parts = [f"attn.proj_{x}.weight" for x in "qkv"] + [
        f"{layer}.{part}"
        for layer in ("norm1", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
        for part in ("weight", "bias")
    ]
    names = {f"{prefix}blocks.{block}.{part}" for block in range(3) for part in parts}
    return names | {f"{prefix}{x}" for x in ("norm_post.weight", "norm_post.bias", "type_embed")}


def _fill_text(tower: nn.Module, file: Path) -> None:
    names = prefixed(
        {
            "head.0.": "cls_projection_head.dense_to_hidden.",
            "head.2.": "cls_projection_head.LayerNorm.",
            "head.3.": "cls_projection_head.dense_to_output.",
        }
    )
    guesses = ["bias", "decoder.weight", "decoder.bias"]  # of words under a mask
    for layer in ("dense", "LayerNorm"):
        guesses += [f"transform.{layer}.weight", f"transform.{layer}.bias"]
    ignore = bert_tower.unused("bert.", pooler=True) | {f"cls.predictions.{x}" for x in guesses}
    fill(tower, read_tensors(file), file, names=names, ignore=ignore)
