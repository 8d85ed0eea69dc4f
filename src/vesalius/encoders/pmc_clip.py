"""``pmc_clip``: PMC-CLIP, ResNet-50 and PubMedBERT (Lin et al. 2023, arXiv 2303.07240).

Three files: the image tower is CLIP's ResNet with attention pooling, the text tower a BERT, the
projection one matrix. Weights do not say how they are used, and their users disagree:

- text: the authors' code takes the first token, padded to 77 *without* a mask (``pmc_clip``);
  others take the first token with a mask (``/masked``), or BERT's pooler with a mask (``/pooler``);
- image: the training code's config gives the attention pool 32 heads, as CLIP's ResNet-50 has;
  programs that load the three files use 8 (``/8heads``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError, unknown
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
from vesalius.encoders.checkpoint import fill, prefixed, read_content, read_tensors
from vesalius.encoders.openclip_towers import ImageTower
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import text_config

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

PLACE = "pmc_clip"
IMAGE_FILE, TEXT_FILE = "image_encoder(resnet50).pth", "text_encoder.pth"
PROJECTION_FILE = "text_projection_layer.pth"
SOURCE = (
    "the data set axiong/pmc_oa, and vocab.txt from "
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
)
BERT = "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext"
SIZE, CONTEXT, WIDTH = 224, 77, 768
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SCALE = 4.4292  # its logarithm, as read by others from the whole checkpoint; not in these files
TEXTS = {"": ("cls", False), "masked": ("cls", True), "pooler": ("pooler", True)}
HEADS = {"": 32, "8heads": 8}


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return ``pmc_clip``, or with ``:masked``, ``:pooler``, ``:8heads``, ``:pooler/8heads``."""
    pooling, masked, heads = _convention(argument)
    name, folder = f"pmc_clip:{argument}" if argument else "pmc_clip", weights_dir / PLACE
    check_size(name, SIZE, image_size)
    image_file, text_file, projection_file, _ = folder_with(
        folder, IMAGE_FILE, TEXT_FILE, PROJECTION_FILE, WORDS, name=name, source=SOURCE
    )
    shape = {
        "layers": [3, 4, 6, 3],
        "channels": 64,
        "heads": heads,
        "pooling": pooling,
        "masked": masked,
        "text_config": text_config(BERT, folder),
    }
    words = bert_words(folder, context_length=CONTEXT, pad_to_context=True)
    pixels = Preprocessing.usual(SIZE, mean=MEAN, std=STD, interpolation="bicubic")
    config = described(name, weights=image_file, model=shape, pixels=pixels, words=words)
    model = build(config, words.json)
    fill(model.image, read_tensors(image_file), image_file, names=prefixed({"visual.": ""}))
    bert: Any = model.text
    ignore = bert_tower.unused("", pooler=pooling != "pooler")
    fill(bert.bert, read_tensors(text_file), text_file, ignore=ignore)
    _project(bert.head, projection_file)
    nn.init.constant_(model.logit_scale, SCALE)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json describes, with random weights."""
    from open_clip.modified_resnet import ModifiedResNet

    shape, bert = config["model"], config["model"]["text_config"]
    visual = ModifiedResNet(
        layers=shape["layers"],
        output_dim=WIDTH,
        heads=shape["heads"],
        image_size=SIZE,
        width=shape["channels"],
    )
    head = nn.Linear(bert["hidden_size"], WIDTH, bias=False)
    text = BertTower(bert, head, pooling=shape["pooling"], masked=shape["masked"])
    image = ImageTower(visual, name=config["name"])
    return assembled(config, words, image, text, family="pmc_clip", width=WIDTH)


def _convention(argument: str) -> tuple[str, bool, int]:
    """Return pooling, mask and heads for the words after the colon."""
    words = argument.split("/") if argument else []
    strange = [word for word in words if word not in TEXTS and word not in HEADS]
    if strange:
        raise unknown("PMC-CLIP convention", strange[0], [x for x in (*TEXTS, *HEADS) if x])
    text = [word for word in words if word in TEXTS] or [""]
    heads = [word for word in words if word in HEADS] or [""]
    if len(text) > 1 or len(heads) > 1 or "" in words:
        raise ModelError(f"pmc_clip:{argument} names two conventions for one thing")
    return *TEXTS[text[0]], HEADS[heads[0]]


def _project(head: nn.Linear, file: Path) -> None:
    """Take the projection, which the file holds as one bare matrix, BERT's width × joint width."""
    matrix, wanted = read_content(file), head.weight.T.shape
    if not isinstance(matrix, torch.Tensor) or matrix.shape != wanted:
        has = tuple(matrix.shape) if isinstance(matrix, torch.Tensor) else type(matrix).__name__
        raise ModelError(f"{file} must hold one matrix of shape {tuple(wanted)}, not {has}")
    with torch.no_grad():
        head.weight.copy_(matrix.T)
