"""Image tower and text tower with their own preprocessing and tokenizer.

Legend of shapes: B batch, C channels, H W pixels, L tokens, D width, h w patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.preprocessing import Preprocessing

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

START_TEMPERATURE = 0.07  # Radford et al. 2021, section 2.5


class TextTokenizer(Protocol):
    """What turns texts into token ids."""

    context_length: int
    too_long: str
    json: str | None

    def __call__(self, texts: Sequence[str]) -> Int64[Tensor, "B L"]: ...
    def identity(self) -> str: ...
    def settings(self) -> dict[str, Any]: ...


class DualEncoder(nn.Module):
    """A model that puts images and texts into one space of ``width`` dimensions.

    ``image`` and ``text`` are plain modules ``pixels_BCHW -> BD`` and ``tokens_BL -> BD``; an
    image tower with patches has a method ``patch_features``, ``pixels_BCHW -> BDhw``.
    ``logit_scale`` is the logarithm of the inverse temperature; ``logit_bias`` is added to scaled
    cosines, and there only where a model was trained with sigmoids (SigLIP). ``family`` and
    ``config`` rebuild the towers (:mod:`vesalius.encoders.own_weights`); ``start`` says where the
    first weights came from.
    """

    def __init__(
        self,
        image: nn.Module,
        text: nn.Module,
        *,
        name: str,
        family: str,
        width: int,
        preprocess: Preprocessing,
        tokenizer: TextTokenizer,
        config: dict[str, Any],
        start: str,
    ) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / START_TEMPERATURE)))
        self.logit_bias: nn.Parameter | None = None
        self.name = name
        self.family = family
        self.width = width
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.config = config
        self.start = start

    @property
    def image_size(self) -> int:
        return self.preprocess.size

    @property
    def context_length(self) -> int:
        return self.tokenizer.context_length

    @property
    def scores(self) -> str:
        """How scaled cosines become chances: ``softmax`` over texts, or ``sigmoid`` for each."""
        return "softmax" if self.logit_bias is None else "sigmoid"

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    def tokenize(self, texts: Sequence[str]) -> Int64[Tensor, "B L"]:
        """Return token ids, cut at ``context_length`` tokens (counted and logged)."""
        return self.tokenizer([texts] if isinstance(texts, str) else texts)

    def encode_image(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Return one unnormalised row an image."""
        return self.image(pixels_BCHW.to(self.device))

    def encode_text(self, texts: Int64[Tensor, "B L"] | Sequence[str]) -> Float[Tensor, "B D"]:
        """Return one unnormalised row a text, given as token ids or as words."""
        tokens_BL = texts if isinstance(texts, torch.Tensor) else self.tokenize(texts)
        return self.text(tokens_BL.to(self.device))

    def require_text(self) -> None:
        """Raise ModelError where the model has no text tower."""
        refuse: Any = getattr(self.text, "refuse", None)
        if refuse is not None:
            refuse()

    def patch_features(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return one vector of the joint space for each patch; ModelError where there is none."""
        tower: Any = self.image
        if not hasattr(tower, "patch_features"):
            raise ModelError(f"{self.name}: this image tower gives no patch features")
        return tower.patch_features(pixels_BCHW.to(self.device))

    def forward(
        self, pixels_BCHW: Float[Tensor, "B C H W"], tokens_BL: Int64[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        """Return image rows and text rows, unnormalised (what a distributed wrapper calls)."""
        return self.encode_image(pixels_BCHW), self.encode_text(tokens_BL)

    def image_parameters(self) -> Iterator[nn.Parameter]:
        return self.image.parameters()

    def text_parameters(self) -> Iterator[nn.Parameter]:
        return self.text.parameters()

    def identity(self) -> dict[str, str]:
        """Return what changes the embeddings: model, weights, preprocessing, tokenizer."""
        return {
            "model": self.name,
            "start": self.start,
            "weights_hash": weights_hash(self),
            "preprocessing": self.preprocess.describe(),
            "tokenizer": self.tokenizer.identity(),
        }

    def save(self, folder: str | Path) -> Path:
        """Write model.safetensors, config.json and tokenizer.json, each whole or absent."""
        from vesalius.encoders.own_weights import save

        return save(self, Path(folder))


def weights_hash(model: nn.Module) -> str:
    """Return the sha256 of all tensors with their names, types and shapes."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)};".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
