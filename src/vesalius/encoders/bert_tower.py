"""A text tower of BERT's shape: one vector a text, projected into the joint space.

Legend of shapes: B texts, L tokens, W width of BERT, D width of the joint space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError, unknown

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int64
    from torch import Tensor


def _cls(found: Any, known_BL: Bool[Tensor, "B L"]) -> Float[Tensor, "B W"]:
    return found.last_hidden_state[:, 0]


def _last(found: Any, known_BL: Bool[Tensor, "B L"]) -> Float[Tensor, "B W"]:
    rows_B = torch.arange(len(known_BL), device=known_BL.device)
    return found.last_hidden_state[rows_B, known_BL.sum(1) - 1]


def _pooler(found: Any, known_BL: Bool[Tensor, "B L"]) -> Float[Tensor, "B W"]:
    return found.pooler_output


def _three_layers(found: Any, known_BL: Bool[Tensor, "B L"]) -> Float[Tensor, "B W"]:
    weight_BL1 = known_BL[:, :, None] / known_BL.sum(1)[:, None, None]
    return (_first_second_last(found) * weight_BL1).sum(1)


def _three_layers_padded(found: Any, known_BL: Bool[Tensor, "B L"]) -> Float[Tensor, "B W"]:
    return _first_second_last(found).mean(1)


def _first_second_last(found: Any) -> Float[Tensor, "B L W"]:
    states = found.hidden_states
    return torch.stack([states[1], states[2], states[-1]]).mean(0)


POOLINGS: dict[str, Callable[[Any, Any], Any]] = {
    "cls": _cls,
    "last": _last,
    "pooler": _pooler,
    "three_layers": _three_layers,
    "three_layers_padded": _three_layers_padded,
}
"""How the tokens become one vector. ``cls``: the first token; ``last``: the last that is no
padding; ``pooler``: BERT's own; ``three_layers``: the mean over layers 1, 2 and last and over the
text's own tokens; ``three_layers_padded``: that over all positions of the batch, so that a text's
vector depends on the longest text beside it."""


class BertTower(nn.Module):
    """BERT (``bert``), a pooling of :data:`POOLINGS`, and a projection (``head``).

    ``config`` is a Hugging Face config of BERT. ``masked=False`` lets every token attend to the
    padding, too; then only texts padded to one fixed length keep their vectors in every batch.
    """

    def __init__(
        self, config: dict[str, Any], head: nn.Module, *, pooling: str, masked: bool = True
    ) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        if pooling not in POOLINGS:
            raise unknown("pooling", pooling, POOLINGS)
        try:
            shape = BertConfig.from_dict(config)
            self.bert = BertModel(shape, add_pooling_layer=pooling == "pooler")
        except (TypeError, ValueError, KeyError) as error:
            raise ModelError(f"the config of the text tower is not BERT's: {error}") from error
        self.head = head
        self.pooling = pooling
        self.masked = masked
        self.pad_id = shape.pad_token_id or 0

    def forward(self, tokens_BL: Int64[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        known_BL = tokens_BL != self.pad_id
        found = self.bert(
            input_ids=tokens_BL,
            attention_mask=known_BL.long() if self.masked else None,
            output_hidden_states=self.pooling.startswith("three_layers"),
        )
        return self.head(POOLINGS[self.pooling](found, known_BL))


def unused(prefix: str, *, pooler: bool) -> set[str]:
    """Return the names that files of BERT hold beside what a tower takes.

    Older transformers saved ``position_ids``; ``pooler`` says whether the file's pooler is one too.
    """
    names = {f"{prefix}embeddings.position_ids"}
    return names | {f"{prefix}pooler.dense.{part}" for part in ("weight", "bias") if pooler}
