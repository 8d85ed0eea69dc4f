"""``flair``: FLAIR, colour fundus photographs (Silva-Rodriguez et al. 2025, arXiv 2308.07898).

Facts from the authors' code: images resized so that the longest side is 512 (bilinear, on floats),
black below and on the right, only ÷255; texts put into "A fundus photograph of …", 77 tokens,
Bio_ClinicalBERT, the mean of layers 1, 2 and last over all positions. Upstream normalises before
its projections, too; they have no bias, so the direction, all that scores use, is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import unknown
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
from vesalius.encoders.map_tower import MapTower, resnet50_trunk
from vesalius.encoders.operations import Floats, Resize, Square
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import text_config

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

PLACE = "flair"
FILES = ("model.safetensors", "pytorch_model.bin", "flair_resnet.pth")
SOURCE = "jusiro2/FLAIR, and vocab.txt from emilyalsentzer/Bio_ClinicalBERT"
TEMPLATES = {"": "A fundus photograph of {}", "plain": "{}"}
SIZE, CONTEXT, WIDTH = 512, 77, 512
LARGEST_SCALE = 4.6052  # upstream clamps the logarithm of the scale to [0, log 100] at each use
BERT = "emilyalsentzer/Bio_ClinicalBERT"


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return ``flair``, or ``flair:plain``, which takes texts as they are, without the template."""
    if argument not in TEMPLATES:
        raise unknown("FLAIR", argument, [key for key in TEMPLATES if key])
    name, folder = f"flair:{argument}" if argument else "flair", weights_dir / PLACE
    check_size(name, SIZE, image_size)
    weights, _ = folder_with(folder, FILES, WORDS, name=name, source=SOURCE)
    words = bert_words(folder, context_length=CONTEXT, template=TEMPLATES[argument])
    shape = {"text_config": text_config(BERT, folder)}
    config = described(name, weights=weights, model=shape, pixels=_pixels(), words=words)
    model = build(config, words.json)
    bert = "text_model.model."
    names = prefixed(
        {
            "image.trunk.": "vision_model.model.",
            "image.head.": "vision_model.projection_head_vision.projection.",
            "text.bert.": bert,
            "text.head.": "text_model.projection_head_text.projection.",
        }
    )
    ignore = bert_tower.unused(bert, pooler=True)
    fill(model, read_tensors(weights), weights, names=names, ignore=ignore)
    model.logit_scale.data.clamp_(0, LARGEST_SCALE)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    bert = config["model"]["text_config"]
    image = MapTower(resnet50_trunk(), nn.Linear(2048, WIDTH, bias=False))
    head = nn.Linear(bert["hidden_size"], WIDTH, bias=False)
    text = BertTower(bert, head, pooling="three_layers")
    return assembled(config, words, image, text, family="flair", width=WIDTH)


def _pixels() -> Preprocessing:
    resize = Resize(side="longest", rounding="down")
    return Preprocessing(SIZE, (Floats(), resize, Square(place="corner", at_least=SIZE)))
