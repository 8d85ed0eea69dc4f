"""``chexficient``: CheXficient, chest radiographs (Wang et al. 2026, arXiv 2602.22843).

Facts from the authors' code: DINOv2's ViT-B/14 of 378 pixels, its class token through one linear
layer; Bio_ClinicalBERT, the last token that is no padding through another, 256 tokens; bicubic on
the shortest side, centre crop, CLIP's mean and deviation. The file also holds the prototypes that
chose their training data. Their repository runs code of its own; here only the weights are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.authors_files import (
    assembled,
    bert_words,
    check_size,
    described,
    folder_with,
)
from vesalius.encoders.bert_tower import BertTower, unused
from vesalius.encoders.checkpoint import fill, prefixed, read_tensors
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import KNOWN
from vesalius.encoders.timm_images import HeadedTower, TimmTower

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

SOURCE, PLACE = "StanfordAIMI/CheXficient", "chexficient"
WEIGHTS, WORDS = "model.safetensors", ("tokenizer.json", "vocab.txt")
TRUNK, WIDTH = "vit_base_patch14_dinov2", 512
BERT = KNOWN["emilyalsentzer/Bio_ClinicalBERT"]
SIZE, PATCH, CONTEXT = 378, 14, 256
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CURATION = frozenset(
    {
        "prototypes",
        "prototype_usage",
        "step_count",
        "batch_prototype_updates",
        "batch_update_weight_stats",
        "pending_ema_features",
        "pending_ema_similarities",
    }
)
"""What chose the training data; no image and no text passes through it."""


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return CheXficient; raises ModelError naming the files that are missing and their place."""
    if argument:
        raise ModelError(f"'chexficient' takes nothing after a colon, not {argument!r}")
    check_size("chexficient", SIZE, image_size)
    folder = weights_dir / PLACE
    file, _ = folder_with(folder, WEIGHTS, WORDS, name="chexficient", source=SOURCE)
    words = bert_words(folder, context_length=CONTEXT)
    pixels = Preprocessing.usual(SIZE, mean=MEAN, std=STD, interpolation="bicubic")
    shape = {"trunk": TRUNK, "width": WIDTH, "text_config": dict(BERT)}
    config = described("chexficient", weights=file, model=shape, pixels=pixels, words=words)
    model = build(config, words.json)
    theirs = {
        "image.vit.model.": "image_encoder.model.",
        "image.head.": "image_projection.projection.",
        "text.bert.": "text_encoder.model.",
        "text.head.": "text_projection.projection.",
    }
    ignore = {
        *CURATION,
        "image_encoder.model.mask_token",
        *unused("text_encoder.model.", pooler=True),
    }
    fill(model, read_tensors(file), file, names=prefixed(theirs), ignore=ignore)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    import timm

    shape, bert = config["model"], config["model"]["text_config"]
    vit: Any = timm.create_model(
        shape["trunk"],
        pretrained=False,
        img_size=SIZE,
        patch_size=PATCH,
        init_values=1.0,
        num_classes=0,
    )
    width = shape["width"]
    image = HeadedTower(TimmTower(vit, name=config["name"]), nn.Linear(vit.num_features, width))
    head = nn.Linear(bert.get("hidden_size", 768), width)
    text = BertTower(bert, head, pooling="last")
    return assembled(config, words, image, text, family="chexficient", width=width)
