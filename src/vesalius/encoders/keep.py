"""``keep``: KEEP, pathology (Zhou et al. 2024, arXiv 2412.13126).

Facts from the authors' code: timm's ViT-L/16 with layer scale, its class token through two layers
with a GELU; PubMedBERT's own pooler without a projection, 256 tokens; bicubic 224 on the shortest
side, centre crop, ImageNet's mean and deviation. Their repository runs code of its own; here only
the weights are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
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
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import read_table
from vesalius.encoders.timm_images import HeadedTower, TimmTower

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

SOURCE, PLACE = "Astaxanthin/KEEP", "keep"
CONFIG, WEIGHTS = "config.json", ("model.safetensors", "pytorch_model.bin")
TRUNK = "vit_large_patch16_224"
SIZE, CONTEXT = 224, 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return KEEP; raises ModelError naming the files that are missing and their place."""
    if argument:
        raise ModelError(f"'keep' takes nothing after a colon, not {argument!r}")
    check_size("keep", SIZE, image_size)
    folder = weights_dir / PLACE
    config_file, file, _ = folder_with(folder, CONFIG, WEIGHTS, WORDS, name="keep", source=SOURCE)
    width, bert = _shape(config_file)
    words = bert_words(folder, context_length=CONTEXT)
    pixels = Preprocessing.usual(SIZE, mean=MEAN, std=STD, interpolation="bicubic")
    shape = {"trunk": TRUNK, "width": width, "text_config": bert}
    config = described("keep", weights=file, model=shape, pixels=pixels, words=words)
    model = build(config, words.json)
    theirs = {
        "image.vit.model.": "visual.",
        "image.head.": "visual_head.",
        "text.bert.": "text.",
    }
    ignore = {"text.embeddings.position_ids"}
    fill(model, read_tensors(file), file, names=prefixed(theirs), ignore=ignore)
    return model


def head(channels: int, width: int) -> nn.Module:
    """Return the two layers between the ViT and the joint space, with random weights."""
    return nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    import timm

    shape, bert = config["model"], config["model"]["text_config"]
    vit: Any = timm.create_model(
        shape["trunk"], pretrained=False, img_size=SIZE, init_values=1e-5, num_classes=0
    )
    width = shape["width"]
    image = HeadedTower(TimmTower(vit, name=config["name"]), head(vit.num_features, width))
    text = BertTower(bert, nn.Identity(), pooling="pooler")
    return assembled(config, words, image, text, family="keep", width=width)


def _shape(path: Path) -> tuple[int, dict[str, Any]]:
    """Return the joint width and BERT's config; they must fit, for there is no text projection."""
    found = read_table(path)
    bert = found.get("text_config")
    if not isinstance(bert, dict):
        raise ModelError(f"{path} has no 'text_config'")
    width = int(found.get("projection_dim", 768))
    if bert.get("hidden_size", 768) != width:
        raise ModelError(f"{path}: projection_dim {width} is not the text tower's hidden_size")
    return width, bert
