"""``medclip``: MedCLIP, Swin-T or ResNet-50 (Wang et al. 2022, arXiv 2210.10163).

Facts from the authors' code: images grey, padded to a black square of at least 224, bicubic 224,
one mean and deviation, three equal channels; texts Bio_ClinicalBERT, 77 tokens, the mean of layers
1, 2 and last over *all* positions, so that upstream a text's vector depends on the longest text
beside it. Here each text is encoded as upstream encodes it alone; ``/padded`` gives upstream's
vectors of a batch. The published scores were not reproduced by others from these weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import unknown
from vesalius.encoders import bert_tower, swin
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
from vesalius.encoders.operations import Floats, Grey, Normalise, Resize, Square
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import text_config

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

PLACES = {"vit": "medclip-vit", "resnet": "medclip-resnet"}
POOLINGS = {"": "three_layers", "padded": "three_layers_padded"}
FILE = "pytorch_model.bin"
SOURCE = "the MedCLIP authors, and vocab.txt from emilyalsentzer/Bio_ClinicalBERT"
SIZE, CONTEXT, WIDTH = 224, 77, 512
MEAN, STD = 0.5862785803043838, 0.27950088968644304
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
    """Return ``medclip:vit`` (Swin-T, also plain ``medclip``) or ``medclip:resnet``.

    ``medclip:vit/padded`` averages texts over the padding of their batch, too, as upstream does.
    """
    kind, _, pooling = argument.partition("/")
    kind = kind or "vit"
    if kind not in PLACES:
        raise unknown("MedCLIP", kind, PLACES)
    if pooling not in POOLINGS:
        raise unknown("MedCLIP pooling", pooling, [key for key in POOLINGS if key])
    name = f"medclip:{kind}/{pooling}" if pooling else f"medclip:{kind}"
    check_size(name, SIZE, image_size)
    folder = weights_dir / PLACES[kind]
    weights, _ = folder_with(folder, FILE, WORDS, name=name, source=SOURCE)
    words = bert_words(folder, context_length=CONTEXT)
    shape = {"trunk": kind, "pooling": POOLINGS[pooling], "text_config": text_config(BERT, folder)}
    config = described(name, weights=weights, model=shape, pixels=_pixels(), words=words)
    model = build(config, words.json)
    _fill(model, weights)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    shape, bert = config["model"], config["model"]["text_config"]
    if shape["trunk"] == "vit":
        image = MapTower(swin.SwinTrunk(), nn.Linear(swin.WIDTH, WIDTH, bias=False))
    else:
        image = MapTower(resnet50_trunk(), nn.Linear(2048, WIDTH, bias=False))
    head = nn.Linear(bert["hidden_size"], WIDTH, bias=False)
    text = BertTower(bert, head, pooling=shape["pooling"])
    return assembled(config, words, image, text, family="medclip", width=WIDTH)


def _pixels() -> Preprocessing:
    resize = Resize(side="both", filter="bicubic")
    normalise = Normalise((MEAN,) * 3, (STD,) * 3)
    return Preprocessing(SIZE, (Grey(), Square(at_least=SIZE), resize, Floats(), normalise))


def _fill(model: DualEncoder, weights: Path) -> None:
    vision, bert = "vision_model.model.", "text_model.model."
    resnet = model.config["trunk"] == "resnet"
    others = prefixed(
        {
            "image.head.": f"{vision}fc." if resnet else "vision_model.projection_head.",
            "image.trunk.": vision,
            "text.bert.": bert,
            "text.head.": "text_model.projection_head.",
        }
    )
    trunk = swin.names_in_transformers(vision)

    def names(name: str) -> tuple[str, ...]:
        inside = name.removeprefix("image.trunk.")
        return others(name) if resnet or inside == name else trunk(inside)

    ignore = bert_tower.unused(bert, pooler=True) | (set() if resnet else swin.unused(vision))
    fill(model, read_tensors(weights), weights, names=names, ignore=ignore)
    model.logit_scale.data.clamp_(0, LARGEST_SCALE)
