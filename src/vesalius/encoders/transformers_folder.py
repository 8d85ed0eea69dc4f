"""``hf:NAME_OR_PATH``: a folder in transformers' layout (CLIP, SigLIP, DINOv2, BiomedCLIP's port).

Nothing is downloaded and no code from a folder is run: config.json says which of transformers' own
classes to build.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesalius.core import ModelError
from vesalius.encoders.authors_files import check_size
from vesalius.encoders.biomedclip_port import is_port, load_port
from vesalius.encoders.openclip_words import folder_words
from vesalius.encoders.sentencepiece import siglip_json
from vesalius.encoders.text_config import read_table
from vesalius.encoders.tokenizer import Tokenizer
from vesalius.encoders.transformers_build import as_encoder, filled, image_size_of, kind_of
from vesalius.encoders.transformers_pixels import PIXELS, pixels_of

if TYPE_CHECKING:
    from vesalius.encoders.cards import ModelCard
    from vesalius.encoders.dual_encoder import DualEncoder
    from vesalius.encoders.preprocessing import Preprocessing

log = logging.getLogger(__name__)

CONFIG = "config.json"
SHARDS = "model.safetensors.index.json"
WEIGHTS = ("model.safetensors", SHARDS, "pytorch_model.bin")
WORDS = ("tokenizer.json", "vocab.txt", "vocab.json")
PIECES = "spiece.model"
STALE = frozenset(f"{tower}_model.embeddings.position_ids" for tower in ("text", "vision"))
"""Counters that older versions of transformers saved among the weights."""


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return the model of ``hf:PATH`` or ``hf:OWNER/NAME``, NAME a folder in weights_dir."""
    if not argument:
        raise ModelError("'hf' wants a folder or a name: hf:PATH, hf:OWNER/NAME")
    path = Path(argument).expanduser()
    places = (path, weights_dir / path, weights_dir / path.name)
    folder = next((place for place in places if place.is_dir()), places[-1])
    if not folder.is_dir():
        raise ModelError(
            f"hf:{argument} is not here: put {CONFIG}, {' or '.join(WEIGHTS)}, {PIXELS} and, for a "
            f"model with a text tower, {WORDS[0]} into {folder}; nothing is downloaded by itself"
        )
    return _load(folder, f"hf:{folder.name}", None, image_size)


def load_card(card: ModelCard, folder: Path, *, image_size: int | None = None) -> DualEncoder:
    """Return the model of a card from a folder in transformers' layout."""
    card.found(folder)
    return _load(folder, card.name, card, image_size)


def _load(folder: Path, name: str, card: ModelCard | None, image_size: int | None) -> DualEncoder:
    config = read_config(folder)
    size = image_size_of(config)
    check_size(name, size, image_size)
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        raise ModelError(f"{name}: {' or '.join(WEIGHTS)} is missing in {folder}")
    if is_port(config):
        return load_port(
            folder,
            config,
            weights,
            name=name,
            pixels=_pixels(folder, size, name, card),
            too_long="cut" if card is None else card.too_long,
        )
    surplus, absent = (STALE, frozenset()) if card is None else (card.surplus, card.missing)
    model = filled(config, folder, weights, surplus=surplus, absent=absent)
    tokenizer = None
    if kind_of(config, folder / CONFIG).text is not None:
        tokenizer = _words(folder, config, name)
        tokenizer.too_long = "cut" if card is None else card.too_long
    return as_encoder(
        model,
        config,
        name=name,
        preprocess=_pixels(folder, size, name, card),
        tokenizer=tokenizer,
        start=f"weights of {weights.name}",
    )


def pixels_in(card: ModelCard, folder: Path) -> Preprocessing | None:
    """Return what a card's folder itself says of the pixels, where it says anything."""
    return pixels_of(folder, image_size_of(read_config(folder)))


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json; raises ModelError where it is missing, broken or no table."""
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder / CONFIG} is missing")
    config = read_table(folder / CONFIG)
    if "model_type" not in config:
        raise ModelError(f"{folder / CONFIG} has no 'model_type'")
    return config


def _pixels(folder: Path, size: int, name: str, card: ModelCard | None) -> Preprocessing:
    """Return the card's preprocessing, else the folder's; where they differ, that is logged."""
    theirs = pixels_of(folder, size)
    if card is not None and card.image is not None:
        if theirs is not None and theirs != card.image:
            log.warning("%s: %s describes other pixels than the card", name, folder / PIXELS)
        return card.image
    if theirs is None:
        raise ModelError(f"{name}: {folder / PIXELS} is missing; it says what the pixels must be")
    return theirs


def _words(folder: Path, config: dict[str, Any], name: str) -> Tokenizer:
    text = config.get("text_config") or {}
    if config["model_type"] == "siglip":
        return _siglip_words(folder, text, name)
    if not any((folder / file).is_file() for file in WORDS):
        raise ModelError(f"{name}: {' or '.join(WORDS)} is missing in {folder}")
    return folder_words(folder, int(text.get("max_position_embeddings", 77)), clean="")


def _siglip_words(folder: Path, text: dict[str, Any], name: str) -> Tokenizer:
    """Return the tokenizer in tokenizer.json or spiece.model; texts are padded to the full length.

    Not by transformers, whose class for SigLIP wants sentencepiece.
    """
    import tokenizers

    about = folder / "tokenizer_config.json"
    files = [folder / file for file in (WORDS[0], PIECES) if (folder / file).is_file()]
    if not files:
        raise ModelError(f"{name}: {WORDS[0]} or {PIECES} is missing in {folder}")
    file = files[0]
    try:
        text_json = siglip_json(file) if file.name == PIECES else file.read_text(encoding="utf-8")
        words = tokenizers.Tokenizer.from_str(text_json)
    except ModelError:
        raise
    except Exception as error:  # the Rust library raises bare exceptions for broken files
        raise ModelError(f"{file} cannot be read: {error}") from error
    pad = (read_table(about) if about.is_file() else {}).get("pad_token")
    pad_id = words.token_to_id(str(pad.get("content") if isinstance(pad, dict) else pad))
    if pad_id is None:
        pad_id = int(text.get("pad_token_id", 1))
    length = int(text.get("max_position_embeddings", 64))
    return Tokenizer(words.to_str(), context_length=length, pad_id=pad_id, pad_to_context=True)
