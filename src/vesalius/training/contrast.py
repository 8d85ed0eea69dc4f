"""An image–text objective in a training: its settings, and what it reads beside the embeddings.

Legend of shapes: B batch, D width, F findings.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import TrainingError
from vesalius.objectives import GIVEN
from vesalius.objectives import objective as find_objective
from vesalius.training.trial import ROWS, keywords, try_out

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders import DualEncoder

FIRST_SCALE, FIRST_BIAS = log(10), -10.0  # of sigmoids: Zhai et al. 2023, section 3.2
LARGEST_SCALE = log(100)  # Radford et al. 2021, section 2.5


@dataclass(frozen=True, slots=True)
class Contrast:
    """An objective of :data:`vesalius.objectives.OBJECTIVES` with its settings."""

    name: str
    loss: Callable[..., Tensor]
    settings: Mapping[str, Any]
    reads: frozenset[str]

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any] | None = None) -> Contrast:
        """Find an objective and check its settings.

        Raises:
            ChoiceError: there is no such objective, or it has no such setting.
            TrainingError: a setting has a value that cannot be.
        """
        loss = find_objective(name)
        settings = dict(settings or {})
        reads = frozenset(keywords(loss)) & set(GIVEN)
        try_out(name, loss, settings, {key: _two_rows(key) for key in reads})
        return cls(name, loss, settings, reads)

    @property
    def reads_findings(self) -> bool:
        return bool(self.reads & {"image_findings_BF", "text_findings_BF"})

    def prepare(self, model: DualEncoder) -> None:
        """Give the model the scale and the bias that this objective learns, and no other.

        A first training with sigmoids starts at scale 10 and bias −10; one with softmax takes a
        bias away; an objective with a temperature of its own sets the scale to its inverse.
        """
        if "logit_bias" in self.reads:
            if model.logit_bias is None:
                model.logit_bias = nn.Parameter(
                    torch.tensor(FIRST_BIAS, device=model.logit_scale.device)
                )
                _set(model.logit_scale, FIRST_SCALE)
        else:
            model.logit_bias = None
        if "logit_scale" not in self.reads:
            _set(model.logit_scale, -log(self._temperature()))

    def __call__(
        self,
        model: DualEncoder,
        image_BD: Float[Tensor, "B D"],
        text_BD: Float[Tensor, "B D"],
        **beside: Tensor,
    ) -> Tensor:
        """Return the loss; of ``beside``, findings and groups, it takes what it reads."""
        given: dict[str, Any] = {key: value for key, value in beside.items() if key in self.reads}
        if "logit_scale" in self.reads:
            given["logit_scale"] = model.logit_scale.exp()
        if "logit_bias" in self.reads:
            given["logit_bias"] = model.logit_bias
        return self.loss(image_BD, text_BD, **given, **self.settings)

    def _temperature(self) -> float:
        default = inspect.signature(self.loss).parameters["temperature"].default
        temperature = float(self.settings.get("temperature", default))
        if temperature <= 0:
            raise TrainingError(f"{self.name}: temperature is {temperature}, not above 0")
        return temperature


def _two_rows(key: str) -> Tensor:
    """Return what an objective reads, for two rows on which it is tried."""
    if key.endswith("_BF"):
        return torch.eye(ROWS)
    return torch.arange(ROWS) if key == "groups_B" else torch.tensor(1.0)


def bound(model: DualEncoder) -> None:
    """Keep the scale within 1 and 100 after a step."""
    with torch.no_grad():
        model.logit_scale.clamp_(min=0.0, max=LARGEST_SCALE)


def _set(parameter: nn.Parameter, value: float) -> None:
    with torch.no_grad():
        parameter.fill_(value)
