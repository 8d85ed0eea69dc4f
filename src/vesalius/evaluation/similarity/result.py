"""What a comparison of two representations says.

Legend: P permutations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import Score

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """A measure of likeness with its interval and its permutation test.

    ``low`` and ``high`` are NaN where no interval can be had, ``p_value`` where no permutation can
    be drawn; ``notes`` say why, and what else a reader must know. ``clusters`` counts the
    independent units (patients) behind the interval. ``null_P`` holds the measure under each
    permutation.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    clusters: int
    p_value: float
    null_P: Float[np.ndarray, "P"] = field(repr=False)
    confidence: float = 0.95
    notes: tuple[str, ...] = ()

    @property
    def permutations(self) -> int:
        """How many permutations the p-value rests on."""
        return len(self.null_P)

    @property
    def on_floor(self) -> bool:
        """Whether p is as small as so many permutations allow: 1/(P + 1)."""
        return bool(self.permutations and self.p_value * (self.permutations + 1) < 1.5)

    @property
    def p_text(self) -> str:
        """The p-value in words.

        >>> Similarity("cka", 0.9, 0.8, 0.95, 40, 40, 0.01, np.zeros(99)).p_text
        'p=0.01 (the floor of 99 permutations)'
        """
        if isnan(self.p_value):
            return ""
        floor = f" (the floor of {self.permutations:,} permutations)" if self.on_floor else ""
        return f"p={self.p_value:.3g}{floor}"

    def as_score(self) -> Score:
        """Return the score, protocol ``<name>/v1``; its note tells p and the notes.

        >>> Similarity("cka", 0.9, 0.8, 0.95, 40, 40, 0.04, np.zeros(99)).as_score().note
        'p=0.04'
        """
        return Score(
            self.name,
            self.value,
            self.low,
            self.high,
            n=self.n,
            protocol=f"{self.name}/v1",
            clusters=self.clusters,
            confidence=self.confidence,
            note="; ".join(part for part in (self.p_text, *self.notes) if part),
        )

    def __str__(self) -> str:
        """Print one line to quote.

        >>> print(Similarity("cka", 0.9, 0.8, 0.95, 40, 20, 0.04, np.zeros(99)))
        cka 0.900 [0.800, 0.950] (n=40, clusters=20), p=0.04
        """
        interval = f"[{self.low:.3f}, {self.high:.3f}]"
        if isnan(self.low) or isnan(self.high):
            interval = "[no interval]"
        units = f"n={self.n}" + (f", clusters={self.clusters}" if self.clusters != self.n else "")
        line = f"{self.name} {self.value:.3f} {interval} ({units})"
        return ", ".join(part for part in (line, self.p_text) if part)
