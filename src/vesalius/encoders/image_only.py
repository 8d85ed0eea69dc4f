"""The text side of a model that sees images only: it says so to whoever asks it for words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.preprocessing import Preprocessing


class NoWords:
    """A tokenizer that refuses: there is no text tower."""

    json: str | None = None
    context_length = 0
    too_long = "error"

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, texts: Sequence[str]) -> NoReturn:
        raise ModelError(
            f"{self.name} sees images only: it has no text tower, so zero-shot, retrieval by text, "
            "prompts and pretraining cannot be had; embed the images and use a linear probe, "
            "k nearest neighbours or fine-tuning"
        )

    def identity(self) -> str:
        return "none"

    def settings(self) -> dict[str, Any]:
        return {}


class NoText(nn.Module):
    """A text tower that refuses, for callers that bring tokens."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.words = NoWords(name)

    def forward(self, tokens_BL: Any) -> NoReturn:
        self.refuse()

    def refuse(self) -> NoReturn:
        """Raise the ModelError of a model that reads no text."""
        self.words([])


def image_encoder(
    tower: nn.Module,
    *,
    name: str,
    family: str,
    width: int,
    preprocess: Preprocessing,
    config: dict[str, Any],
    start: str,
) -> DualEncoder:
    """Return an image tower as an encoder whose text side raises ModelError."""
    return DualEncoder(
        tower,
        NoText(name),
        name=name,
        family=family,
        width=width,
        preprocess=preprocess,
        tokenizer=NoWords(name),
        config=config,
        start=start,
    )
