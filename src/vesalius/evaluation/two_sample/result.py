"""What a two-sample test found.

Legend: P relabellings, n cases of x, m of y.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core.score import Score

if TYPE_CHECKING:
    from jaxtyping import Float

PROTOCOL = "mmd/v1"


@dataclass(frozen=True, slots=True, eq=False)
class MMDTest:
    """MMD² between two samples, and how often relabelled samples lie as far apart.

    ``null_P`` holds the statistic of each relabelling of ``units`` (cases, patients, pairs), and
    ``exceeding`` of these reach the observed one: p = (1 + exceeding) / (1 + P), never 0.
    ``low`` and ``high`` are the interval of MMD² by linearisation, clustered by unit; near 0, where
    MMD² is not normal, only the p-value speaks.

    ``witness_x`` and ``witness_y`` are the witness function at each case (its own pair left out):
    large where x is denser, small where y is. ``mean(witness_x) − mean(witness_y)`` is MMD²
    (unbiased). ``bandwidth`` is σ (NaN: the kernel has none); where several were aggregated,
    it is the one that tells the samples apart most, the statistic, its null and the witness are
    those of that σ, and the p-value is corrected for the choice.
    """

    mmd2: float
    p_value: float
    null_P: Float[np.ndarray, "P"]
    exceeding: int
    kernel: str
    bandwidth: float
    estimator: str
    n: int
    m: int
    units: str
    witness_x: Float[np.ndarray, "n"]
    witness_y: Float[np.ndarray, "m"]
    clusters: int = 0
    low: float = nan
    high: float = nan
    confidence: float = 0.95
    aggregated: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def permutations(self) -> int:
        return len(self.null_P)

    @property
    def on_floor(self) -> bool:
        """Whether p is the smallest that so many relabellings can give: it may be smaller still."""
        return self.exceeding == 0

    @property
    def form(self) -> str:
        """The estimator and kernel in words.

        Two numbers of different form cannot be compared.
        """
        kernel = self.kernel
        if self.kernel == "rbf":
            gamma = 0.5 / self.bandwidth**2
            kernel = f"rbf exp(−d²/2σ²), σ {self.bandwidth:.4g} (γ {gamma:.4g})"
        elif self.kernel == "laplace":
            kernel = f"laplace exp(−d₁/σ), σ {self.bandwidth:.4g}"
        return f"{self.estimator}, {kernel}"

    @property
    def said_p(self) -> str:
        """The p-value with how it was had: ``p = 0.001, the smallest of 1,000 …``."""
        smallest = ", the smallest that these can give" if self.on_floor else ""
        times = "relabelling" if self.permutations == 1 else "relabellings"
        return f"p = {self.p_value:.3g} by {self.permutations:,} {times} of {self.units}{smallest}"

    def as_score(self, label: str = "") -> Score:
        """Return the Score ``mmd2``: n counts both samples, the note holds p and the form."""
        note = "; ".join([self.said_p, self.form, *self.notes])
        return Score(
            "mmd2", self.mmd2, self.low, self.high, n=self.n + self.m, protocol=PROTOCOL,
            label=label, clusters=self.clusters, confidence=self.confidence, note=note,
        )  # fmt: skip

    def __str__(self) -> str:
        interval = "" if np.isnan(self.low) else f" [{self.low:.4g}, {self.high:.4g}]"
        return (
            f"MMD² {self.mmd2:.4g}{interval} ({self.form}), {self.said_p} "
            f"(n = {self.n:,} and {self.m:,})"
        )
