"""The tokenizers of open_clip models, without a network. Legend: B texts, L tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesalius.core import ModelError
from vesalius.encoders.tokenizer import Tokenizer, count_cut

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor

    from vesalius.encoders.dual_encoder import TextTokenizer

FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")


class ClipWords:
    """CLIP's own byte pairs (Radford et al. 2021); the vocabulary ships with open_clip."""

    json: str | None = None

    def __init__(self, *, context_length: int, clean: str = "lower", too_long: str = "cut") -> None:
        self.context_length = context_length
        self.clean = clean
        self.too_long = too_long
        self.truncated = 0
        self._backend: Any = None

    def __call__(self, texts: Sequence[str]) -> Int64[Tensor, "B L"]:
        """Return the token ids, padded with 0; the end token stays when a text is cut."""
        import torch

        if self._backend is None:
            from open_clip.tokenizer import SimpleTokenizer

            self._backend = SimpleTokenizer(context_length=self.context_length, clean=self.clean)
        start, end = self._backend.sot_token_id, self._backend.eot_token_id
        ids_BL = torch.zeros(len(texts), self.context_length, dtype=torch.int64)
        cut = 0
        for row, text in enumerate(texts):
            ids = [start, *self._backend.encode(text), end]
            if len(ids) > self.context_length:
                ids = [*ids[: self.context_length - 1], end]
                cut += 1
            ids_BL[row, : len(ids)] = torch.tensor(ids)
        count_cut(self, cut, len(texts))
        return ids_BL

    def identity(self) -> str:
        settings = self.settings()
        del settings["too_long"]  # no text that is read reads otherwise
        return sha256(json.dumps(settings).encode()).hexdigest()

    def settings(self) -> dict[str, Any]:
        return {
            "kind": "clip",
            "context_length": self.context_length,
            "clean": self.clean,
            "too_long": self.too_long,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_backend": None}


def words_of(text_cfg: dict[str, Any], folder: Path | None, *, name: str) -> TextTokenizer:
    """Return the tokenizer that an open_clip text config asks for.

    A Hugging Face tokenizer is read from files in the folder; raises ModelError naming them.
    """
    settings = dict(text_cfg.get("tokenizer_kwargs") or {})
    context_length = text_cfg.get("context_length", 77)
    wanted = text_cfg.get("hf_tokenizer_name")
    known = {"clean", "strip_sep_token"} if wanted else {"clean"}
    strange = sorted(settings.keys() - known) + (
        ["tokenizer_mode"] * bool(text_cfg.get("tokenizer_mode"))
    )
    if strange:
        raise ModelError(f"{name}: tokenizer settings {strange} are not supported")
    if not wanted:
        return ClipWords(context_length=context_length, clean=settings.get("clean", "lower"))
    if settings.get("strip_sep_token"):
        raise ModelError(f"{name}: tokenizer setting strip_sep_token is not supported")
    if folder is None or not any((folder / file).is_file() for file in FILES):
        place = "a folder (then use local-dir:PATH)" if folder is None else str(folder)
        raise ModelError(
            f"{name} wants the files of the tokenizer {wanted!r} in {place}: "
            "tokenizer.json and tokenizer_config.json, or vocab.txt"
        )
    return folder_words(folder, context_length, clean=settings.get("clean", "whitespace"))


def words_again(settings: dict[str, Any], words: str | None) -> TextTokenizer:
    """Return the tokenizer that a config.json of the own layout describes."""
    settings = dict(settings)
    if settings.pop("kind", "") == "clip":
        return ClipWords(**settings)
    if words is None:
        raise ModelError("tokenizer.json is missing; it belongs beside config.json")
    return Tokenizer(words, **settings)


def folder_words(folder: Path, context_length: int, *, clean: str) -> Tokenizer:
    """Read a tokenizer as transformers does, and keep its tokenizers-library JSON."""
    from transformers import AutoTokenizer, BertTokenizer

    try:
        if (folder / "tokenizer_config.json").is_file():
            found: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        elif (folder / "vocab.txt").is_file():
            found = BertTokenizer(vocab=str(folder / "vocab.txt"))
        else:
            raise ModelError(f"{folder / 'tokenizer_config.json'} is missing")
        words = found.backend_tokenizer.to_str()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"the tokenizer files in {folder} cannot be read: {error}") from error
    return Tokenizer(
        words,
        context_length=context_length,
        pad_id=found.pad_token_id,
        pad_to_context=True,
        clean=clean,
    )
