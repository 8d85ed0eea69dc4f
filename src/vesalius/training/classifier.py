"""A classifier: an encoder's image tower with a linear head.

Legend of shapes: B batch, C labels, D width, H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import nn

from vesalius.core import TrainingError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders import DualEncoder


class LinearHead(Protocol):
    """A fitted linear probe: logits are ``features_ND @ weights_CD.T + bias_C``."""

    @property
    def weights_CD(self) -> Float[np.ndarray, "C D"]: ...
    @property
    def bias_C(self) -> Float[np.ndarray, "C"]: ...


class Classifier(nn.Module):
    """Logits of each label from the image tower's unnormalised features.

    ``task`` says how logits become probabilities: each label's own sigmoid (``multilabel``) or a
    softmax over the classes (``multiclass``).
    """

    def __init__(
        self, encoder: DualEncoder, label_names: tuple[str, ...], *, task: str, seed: int = 0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.label_names = label_names
        self.task = task
        self.head = nn.Linear(encoder.width, len(label_names))
        bound = encoder.width**-0.5  # as nn.Linear draws, but from a seed of its own
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.copy_(
                    2 * bound * torch.rand(parameter.shape, generator=generator) - bound
                )

    @property
    def device(self) -> torch.device:
        return self.head.weight.device

    def forward(self, pixels_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C"]:
        return self.head(self.encoder.encode_image(pixels_BCHW))

    def probabilities(self, logits_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        wide_BC = logits_BC.double()
        return wide_BC.sigmoid() if self.task == "multilabel" else wide_BC.softmax(1)

    def start_from(self, probe: LinearHead) -> None:
        """Set the head to a probe's. A label whose probe is NaN starts at zero.

        Raises:
            TrainingError: the probe has another number of labels or another width.
        """
        weights_CD, bias_C = np.asarray(probe.weights_CD), np.asarray(probe.bias_C)
        expected = tuple(self.head.weight.shape)
        if weights_CD.shape != expected or bias_C.shape != expected[:1]:
            raise TrainingError(
                f"init: a probe with weights {weights_CD.shape} and bias {bias_C.shape} does not "
                f"fit a head of {expected[0]} labels on width {expected[1]}"
            )
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.nan_to_num(weights_CD)))
            self.head.bias.copy_(torch.from_numpy(np.nan_to_num(bias_C)))
