"""A number with its uncertainty."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """A measure's value, its interval and what it rests on. No bare number leaves the library.

    ``low`` and ``high`` are NaN where no interval can be had; ``note`` then says why, and whatever
    else a reader must know; its remarks are parted by ``"; "``.
    ``n`` counts cases, ``clusters`` the independent units (patients) behind the interval,
    ``positives`` the cases with the label. ``protocol`` names the fixed procedure with its version
    (``linear_probe/v1``); ``redrawn`` counts bootstrap replicates that missed a class.
    """

    name: str
    value: float
    low: float = nan
    high: float = nan
    n: int = 0
    protocol: str = ""
    label: str = ""
    clusters: int = 0
    positives: int | None = None
    confidence: float = 0.95
    redrawn: int = 0
    note: str = ""

    def __str__(self) -> str:
        """Print the value with its interval and n.

        >>> print(Score("auroc", 0.8123, 0.781, 0.84, n=412))
        auroc 0.812 [0.781, 0.840] (n=412)
        """
        name = f"{self.name} {self.label}".strip()
        if isnan(self.low) or isnan(self.high):
            interval = f"[no interval: {self.note}]" if self.note else "[no interval]"
        else:
            interval = f"[{self.low:.3f}, {self.high:.3f}]"
        return f"{name} {self.value:.3f} {interval} (n={self.n})"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN becomes None, which JSON can hold."""
        return {
            key: None if isinstance(value, float) and isnan(value) else value
            for key, value in asdict(self).items()
        }
