"""Features of a tower that stands still: computed once, not every epoch.

Legend of shapes: B batch, D width, L tokens, N cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from vesalius.training.images import TrainingImages
from vesalius.training.running import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders import DualEncoder

TOGETHER = 64


class KnownImages:
    """The features of each readable image, in full precision, always by the same batches.

    Ask while the tower is in the mode in which it stands still.
    """

    def __init__(
        self, images: TrainingImages, splits: Mapping[str, Sized], encoder: DualEncoder
    ) -> None:
        self._images, self._splits, self._encoder = images, splits, encoder
        self._found: dict[str, dict[int, Tensor]] = {}

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        """Yield the features of each group, without those of unreadable images."""
        if split not in self._found:
            self._found[split] = self._compute(split)
        found = self._found[split]
        for group in groups:
            rows = [int(row) for row in group if int(row) in found]
            stacked = torch.stack([found[row] for row in rows]) if rows else torch.empty(0)
            yield np.array(rows, dtype=np.intp), stacked

    def _compute(self, split: str) -> dict[int, Tensor]:
        found: dict[int, Tensor] = {}
        for rows_B, pixels_BCHW in self._images.batches(split, _groups(len(self._splits[split]))):
            if len(rows_B):
                features_BD = _precisely(self._encoder, self._encoder.encode_image, pixels_BCHW)
                found.update(zip(rows_B.tolist(), features_BD, strict=True))
        return found


class KnownTexts:
    """The features of each text, in full precision, always by the same batches."""

    def __init__(self, tokens: Mapping[str, Tensor], encoder: DualEncoder) -> None:
        self._tokens, self._encoder = tokens, encoder
        self._found: dict[str, Tensor] = {}

    def __call__(self, split: str, rows: NDArray[np.integer]) -> Tensor:
        """Return the features of rows."""
        if split not in self._found:
            tokens_NL = self._tokens[split]
            parts = [
                _precisely(self._encoder, self._encoder.encode_text, tokens_NL[group])
                for group in _groups(len(tokens_NL))
            ]
            self._found[split] = torch.cat(parts)
        return self._found[split][rows]


def _groups(size: int) -> list[NDArray[Any]]:
    return np.array_split(np.arange(size), max(size // TOGETHER, 1))


def _precisely(encoder: DualEncoder, encode: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast(encoder.device.type, enabled=False):
        return encode(inputs).float()
