"""Pictures over an image: where a model looked, and where a finding is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """How much each pixel of the *original* image counts towards a target.

    Values are the method's own, never min-max scaled: that would make a null map look sure of
    itself.
    """

    values_HW: Float[np.ndarray, "H W"]
    method: str
    target: str


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The pixels of the *original* image that belong to a target."""

    values_HW: Bool[np.ndarray, "H W"]
    target: str
    method: str = "reference"
