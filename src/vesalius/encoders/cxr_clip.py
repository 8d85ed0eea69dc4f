"""``cxr_clip``: CXR-CLIP, ResNet-50 or Swin-T (You et al. 2023, arXiv 2310.13292).

The authors' checkpoint says in its ``config`` which towers it holds (plain values, but for lists,
which their training left as objects of OmegaConf; those are not looked at). Facts from their code:
images 224, bilinear, shortest side and centre crop; texts Bio_ClinicalBERT, 256 tokens, the last
token's vector; both projected by one matrix with bias. The Swin-T tower's "CLS" is token 0 of the
map, the patch at the top left: that is what was trained, and it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
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
from vesalius.encoders.checkpoint import Inert, fill, prefixed, read_content, tensors_of
from vesalius.encoders.map_tower import MapTower, resnet50_trunk
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import text_config

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

PLACE = "cxr_clip"
FILES = ("r50_mcc.tar", "swint_mcc.tar", "r50_mc.tar", "swint_mc.tar", "r50_m.tar", "swint_m.tar")
SOURCE = "the CXR-CLIP authors, and vocab.txt from emilyalsentzer/Bio_ClinicalBERT"
SIZE, CONTEXT = 224, 256
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
POOLINGS = {"eos": "last", "bos": "cls"}
BERT = "emilyalsentzer/Bio_ClinicalBERT"


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return ``cxr_clip:FILE``, or ``cxr_clip``: the first of the authors' files that is there."""
    folder, name = weights_dir / PLACE, f"cxr_clip:{argument}" if argument else "cxr_clip"
    check_size(name, SIZE, image_size)
    weights, _ = folder_with(folder, argument or FILES, WORDS, name=name, source=SOURCE)
    content = _opened(weights)
    shape = _shape(content["config"], weights)
    shape["text_config"] = text_config(BERT, folder)
    mean, std = IMAGENET if shape["trunk"] == "resnet50" else HALVES
    pixels = Preprocessing.usual(SIZE, mean=mean, std=std)
    words = bert_words(folder, context_length=CONTEXT)
    config = described(name, weights=weights, model=shape, pixels=pixels, words=words)
    model = build(config, words.json)
    _fill(model, tensors_of(content["model"], weights), weights)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    shape = config["model"]
    width, bert = shape["width"], shape["text_config"]
    if shape["trunk"] == "resnet50":
        image = MapTower(resnet50_trunk(), nn.Linear(2048, width))
    else:
        image = MapTower(swin.SwinTrunk(), nn.Linear(swin.WIDTH, width), pool="corner")
    text = BertTower(bert, nn.Linear(bert["hidden_size"], width), pooling=shape["pooling"])
    return assembled(config, words, image, text, family="cxr_clip", width=width)


def _opened(weights: Path) -> dict[str, Any]:
    content = read_content(weights)
    if isinstance(content, dict) and isinstance(content.get("config"), Inert):
        raise ModelError(
            f"{weights}: its 'config' is an object of OmegaConf and not plain values; save the "
            "checkpoint again with OmegaConf.to_container(config, resolve=True) in its place"
        )
    missing = [
        key
        for key in ("model", "config")
        if not isinstance(content, dict) or not isinstance(content.get(key), Mapping)
    ]
    if missing:
        raise ModelError(f"{weights} has no table under {' and '.join(map(repr, missing))}")
    return content


def _shape(config: Mapping[str, Any], weights: Path) -> dict[str, Any]:
    """Return which towers the checkpoint's own config names."""
    try:
        model = config["model"]
        image, text, head = model["image_encoder"], model["text_encoder"], model["projection_head"]
        kind = "resnet50" if image["name"] == "resnet" else image["model_type"]
        pooling, projection, width = text["pooling"], head["name"], int(head["proj_dim"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{weights}: its 'config' lacks {error} of the model") from error
    for what, value, known in (
        ("image_encoder", kind, ("resnet50", "swin")),
        ("text_encoder.pooling", pooling, tuple(POOLINGS)),
        ("projection_head", projection, ("linear",)),
    ):
        if value not in known:
            raise ModelError(
                f"{weights}: {what} {value!r} in its 'config' is not supported; "
                f"supported: {', '.join(known)}"
            )
    return {"trunk": kind, "pooling": POOLINGS[pooling], "width": width}


def _fill(model: DualEncoder, tensors: Mapping[str, Any], weights: Path) -> None:
    bert = "text_encoder.text_encoder."
    others = prefixed(
        {
            "image.trunk.": "image_encoder.resnet.",
            "image.head.": "image_projection.projection.",
            "text.bert.": bert,
            "text.head.": "text_projection.projection.",
        }
    )
    ignore = bert_tower.unused(bert, pooler=True)
    if model.config["trunk"] == "resnet50":
        fill(model, tensors, weights, names=others, ignore=ignore)
        return
    swins = "image_encoder.image_encoder."
    trunk = swin.names_in_transformers(swins)

    def names(name: str) -> tuple[str, ...]:
        inside = name.removeprefix("image.trunk.")
        return others(name) if inside == name else trunk(inside)

    fill(model, tensors, weights, names=names, ignore=ignore | swin.unused(swins))
