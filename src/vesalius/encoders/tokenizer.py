"""From words to token ids. Legend: B texts, L tokens.

A tokenizer is held as the JSON of the ``tokenizers`` library: it travels with the weights, is
picklable, and needs neither transformers nor a network.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from vesalius.core import ModelError

if TYPE_CHECKING:
    import tokenizers
    from jaxtyping import Int64
    from torch import Tensor

log = logging.getLogger(__name__)

FINAL_MARKS = "final_marks"
"""The cleaning that takes ``!``, ``?`` and ``.`` off the end; other names are open_clip's own."""


class Tokenizer:
    """Token ids of texts, padded on the right and cut at ``context_length`` tokens.

    ``pad_to_context`` gives every batch the full length; otherwise a batch is as long as its
    longest text. ``template`` puts each text where its ``{}`` stands. ``truncated`` counts the
    texts that were cut; the first such batch is logged. With ``too_long="error"`` they raise
    ModelError.
    """

    def __init__(
        self,
        json: str,
        *,
        context_length: int,
        pad_id: int = 0,
        pad_to_context: bool = False,
        clean: str = "",
        template: str = "{}",
        too_long: str = "cut",
    ) -> None:
        self.json: str | None = json
        self.context_length = context_length
        self.pad_id = pad_id
        self.pad_to_context = pad_to_context
        self.clean = clean
        self.template = template
        self.too_long = too_long
        self.truncated = 0
        self._backend: tokenizers.Tokenizer | None = None

    def __call__(self, texts: Sequence[str]) -> Int64[Tensor, "B L"]:
        """Return the token ids."""
        import torch

        encodings = self.backend.encode_batch([self._cleaned(text) for text in texts])
        cut = sum(bool(encoding.overflowing) for encoding in encodings)
        count_cut(self, cut, len(texts))
        ids = [encoding.ids for encoding in encodings]
        return torch.tensor(ids, dtype=torch.int64).reshape(len(texts), -1)

    @property
    def backend(self) -> tokenizers.Tokenizer:
        if self._backend is None:
            import tokenizers

            backend = tokenizers.Tokenizer.from_str(self.json or "")
            backend.enable_truncation(self.context_length)
            length = self.context_length if self.pad_to_context else None
            backend.enable_padding(
                pad_id=self.pad_id,
                pad_token=backend.id_to_token(self.pad_id) or "[PAD]",
                length=length,
            )
            self._backend = backend
        return self._backend

    @property
    def vocabulary_size(self) -> int:
        return self.backend.get_vocab_size()

    def identity(self) -> str:
        """Return a digest of everything that changes the ids."""
        settings = repr((self.context_length, self.pad_id, self.clean))
        if self.template != "{}":
            settings += repr(self.template)
        return sha256((settings + (self.json or "")).encode()).hexdigest()

    def settings(self) -> dict[str, Any]:
        """Return what config.json must hold beside tokenizer.json."""
        return {
            "context_length": self.context_length,
            "pad_id": self.pad_id,
            "pad_to_context": self.pad_to_context,
            "clean": self.clean,
            "template": self.template,
            "too_long": self.too_long,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_backend": None}

    def _cleaned(self, text: str) -> str:
        if not isinstance(text, str):
            raise ModelError(f"a text to encode is {type(text).__name__}, not str")
        if self.clean == FINAL_MARKS:
            text = text.rstrip("!?.")
        elif self.clean:
            from open_clip.tokenizer import get_clean_fn

            text = str(get_clean_fn(self.clean)(text))
        return self.template.replace("{}", text)


class Counting(Protocol):
    """What counts the texts that it cuts, or refuses them."""

    context_length: int
    truncated: int
    too_long: str


def count_cut(words: Counting, cut: int, total: int) -> None:
    """Count and log the texts that were cut; raises ModelError where that must not be."""
    if cut and words.too_long == "error":
        raise ModelError(
            f"{cut} of {total} texts have more than {words.context_length} tokens; this model's "
            "authors refuse such texts: shorten them"
        )
    if cut and not words.truncated:
        log.warning("%d of %d texts cut at %d tokens", cut, total, words.context_length)
    words.truncated += cut
