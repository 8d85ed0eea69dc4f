"""A model made of the files that its authors published: where they lie, and what is common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesalius.core import ModelError
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import nn

WORDS = ("vocab.txt", "tokenizer.json")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def folder_with(
    folder: Path, *files: str | Sequence[str], name: str, source: str
) -> tuple[Path, ...]:
    """Return the paths of the files wanted from a folder; of several names the first that is there.

    Raises ModelError naming each file that is missing, who publishes them and where they belong.
    """
    choices = [(file,) if isinstance(file, str) else tuple(file) for file in files]
    found = [next((folder / x for x in some if (folder / x).is_file()), None) for some in choices]
    missing = [" or ".join(some) for some, path in zip(choices, found, strict=True) if path is None]
    if missing:
        raise ModelError(
            f"{name}: {', '.join(missing)} missing in {folder}; the files come from {source} "
            "(set VESALIUS_WEIGHTS to the folder above); nothing is downloaded by itself"
        )
    return tuple(path for path in found if path is not None)


def bert_words(folder: Path, *, context_length: int, **settings: Any) -> Tokenizer:
    """Return the WordPiece tokenizer of a folder with vocab.txt (or tokenizer.json).

    Lower case unless tokenizer_config.json says otherwise, as transformers does it: that is how
    Bio_ClinicalBERT, which has a cased vocabulary and no such file, was used by all who built on
    it. ``settings`` are those of :class:`Tokenizer`.
    """
    from transformers import BertTokenizer

    try:
        found = BertTokenizer.from_pretrained(folder, local_files_only=True)
        words = found.backend_tokenizer.to_str()
        held = found.backend_tokenizer.get_vocab(with_added_tokens=False)
    except Exception as error:  # the Rust library raises bare exceptions for broken files
        raise ModelError(f"the tokenizer files in {folder} cannot be read: {error}") from error
    missing = [word for word in SPECIAL if word not in held]
    if missing:  # transformers would add them behind the others, where the weights know nothing
        raise ModelError(f"the words in {folder} ({' or '.join(WORDS)}) lack {', '.join(missing)}")
    return Tokenizer(words, context_length=context_length, pad_id=found.pad_token_id, **settings)


def described(
    name: str, *, weights: Path, model: dict[str, Any], pixels: Preprocessing, words: Tokenizer
) -> dict[str, Any]:
    """Return the config.json (:mod:`vesalius.encoders.own_weights`) of a model to build."""
    return {
        "name": name,
        "start": f"weights of {weights.name}",
        "model": {**model, "image_size": pixels.size},
        "preprocessing": pixels.as_dict(),
        "tokenizer": words.settings(),
    }


def assembled(
    config: dict[str, Any],
    words: str | None,
    image: nn.Module,
    text: nn.Module,
    *,
    family: str,
    width: int,
) -> DualEncoder:
    """Return the towers as a DualEncoder with the preprocessing and the words of its config."""
    name, native = config["name"], config["model"]["image_size"]
    if words is None:
        raise ModelError(f"{name}: tokenizer.json is missing; it belongs beside config.json")
    check_size(name, native, config["preprocessing"]["size"])
    tokenizer = Tokenizer(words, **config["tokenizer"])
    _check_words(name, config["model"]["text_config"], tokenizer)
    return DualEncoder(
        image,
        text,
        name=name,
        family=family,
        width=width,
        preprocess=Preprocessing.from_dict(config["preprocessing"]),
        tokenizer=tokenizer,
        config=config["model"],
        start=config["start"],
    )


def check_size(name: str, native: int, image_size: int | None) -> None:
    """Raise ModelError where another image size is asked for than the authors' own."""
    if image_size not in (None, native):
        raise ModelError(
            f"{name} sees images of {native} pixels, as its authors prepared them; "
            f"image_size={image_size} cannot be had"
        )


def _check_words(name: str, bert: dict[str, Any], words: Tokenizer) -> None:
    """Raise ModelError where a tokenizer is not that of a text tower: other words would be read."""
    places, size = bert.get("max_position_embeddings", 512), bert.get("vocab_size", 30522)
    if places < words.context_length:
        raise ModelError(
            f"{name}: the text tower has {places} positions, {words.context_length} are wanted"
        )
    if words.vocabulary_size != size:
        raise ModelError(
            f"{name}: {' or '.join(WORDS)} has a vocabulary of {words.vocabulary_size}, "
            f"the text tower of {size}: it is another model's"
        )
