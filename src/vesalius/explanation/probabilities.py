"""Attention probabilities of any transformer, read while it runs, whoever wrote it.

Every library of the zoo attends through a function of torch, so these calls are answered in
probabilities and values; no module is changed, and nothing has to be put back. Legend of shapes:
B batch, h heads, L queries, M keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

SOFTMAXES = (functional.softmax, torch.softmax, Tensor.softmax)


class Probabilities(TorchFunctionMode):
    """While it is entered, ``found`` collects each attention's probabilities, ``BhLM``.

    What a tower computes stays the same up to rounding. A softmax of four dimensions written out
    by a tower counts as attention too.

    >>> rows_BhLD = torch.ones(1, 2, 3, 4)
    >>> with Probabilities() as seen:
    ...     _ = functional.scaled_dot_product_attention(rows_BhLD, rows_BhLD, rows_BhLD)
    >>> [tuple(found.shape) for found in seen.found]
    [(1, 2, 3, 3)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        settings = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention and not _special(*args, **settings):
            return self._scaled(*args, **settings)
        if func is functional.multi_head_attention_forward:
            mean = settings.get("average_attn_weights", True)
            settings |= {"need_weights": True, "average_attn_weights": False}
            values, found_BhLM = func(*args, **settings)
            self.found.append(found_BhLM)
            return values, found_BhLM.mean(1) if mean else found_BhLM
        result = func(*args, **settings)
        if func in SOFTMAXES and result.ndim == 4:
            self.found.append(result)
        return result

    def _scaled(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        **others: Any,
    ) -> Tensor:
        scale = others.get("scale")
        logits = (
            query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        )
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            logits = logits + attn_mask
        found_BhLM = logits.softmax(-1)
        self.found.append(found_BhLM)
        return functional.dropout(found_BhLM, dropout_p) @ value


def _special(*args: Any, **settings: Any) -> bool:
    """Whether attention is causal or shares keys among heads: no image tower's, left unread."""
    causal = args[5] if len(args) > 5 else settings.get("is_causal", False)
    return causal or settings.get("enable_gqa", False)
