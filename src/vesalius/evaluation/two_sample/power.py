"""Power: how many cases does it take to see the difference between two samples?

Legend: N cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.core.score import Score
from vesalius.evaluation.two_sample.mmd import mmd_test
from vesalius.evaluation.two_sample.samples import samples

SIZES = (5, 10, 20, 40, 80, 160, 320, 640)
FEWEST = 4


@dataclass(frozen=True, slots=True)
class PowerCurve:
    """How often a test at level ``alpha`` rejects with so many ``units`` of each side.

    ``rates`` are by size, each with its Wilson interval over the draws.
    """

    rates: Mapping[int, Score]
    alpha: float
    units: str

    def needed(self, power: float = 0.8) -> float | None:
        """Return the size from which the rate stays at or above a power; None: none tried has it.

        Between two sizes it is read off a straight line over the logarithm of the size.
        """
        sizes = sorted(self.rates)
        above = [self.rates[size].value >= power for size in sizes]
        if not above or not above[-1]:
            return None
        at = len(above) - 1
        while at > 0 and above[at - 1]:
            at -= 1
        if at == 0:
            return float(sizes[0])
        (low, high), (start, end) = (
            [self.rates[size].value for size in sizes[at - 1 : at + 1]], sizes[at - 1 : at + 1]
        )  # fmt: skip
        share = (power - low) / (high - low)
        return exp(log(start) + share * (log(end) - log(start)))

    def said_needed(self, power: float = 0.8) -> str:
        """Say how many cases a power of so much takes."""
        needed, sizes = self.needed(power), sorted(self.rates)
        if not sizes:
            return f"There are too few {self.units} to say how many show the difference."
        if needed is None:
            rate = self.rates[sizes[-1]].value
            return (
                f"With {sizes[-1]:,} {self.units} of each side, the most tried, the test rejects "
                f"in {100 * rate:.0f} % of draws: more would be needed for {100 * power:.0f} %."
            )
        fewest = "at most " if needed <= sizes[0] else "about "
        return (
            f"{fewest[:1].upper()}{fewest[1:]}{needed:,.0f} {self.units} of each side show it in "
            f"{100 * power:.0f} % of draws."
        )


def power_curve(
    x_ND: ArrayLike,
    y_MD: ArrayLike,
    *,
    sizes: Sequence[int] = SIZES,
    repeats: int = 100,
    alpha: float = 0.05,
    permutations: int = 199,
    groups_x: ArrayLike | None = None,
    groups_y: ArrayLike | None = None,
    rng: int | np.random.Generator = 0,
    **settings: Any,
) -> PowerCurve:
    """Draw so many of each side again and again, test, and count how often the test rejects.

    Args:
        x_ND, y_MD: a row for each case.
        sizes: units of each side: patients where groups are given, else cases. Those above half of
            the smaller side are left out: what is drawn then is nearly the same each time.
        repeats: draws of each size, without replacement.
        settings: of :func:`mmd_test`.
    """
    x_nD, y_mD = samples(x_ND, y_MD)
    generator = np.random.default_rng(rng)
    if (groups_x is None) != (groups_y is None):
        raise DataError("groups_x and groups_y are given together or not at all")
    grouped = groups_x is not None
    unit_x = np.asarray(groups_x) if grouped else np.arange(len(x_nD))
    unit_y = np.asarray(groups_y) if grouped else np.arange(len(y_mD))
    sides = [_rows_by_unit(unit_x), _rows_by_unit(unit_y)]
    most = min(map(len, sides)) // 2
    rates = {}
    for size in sizes:
        if not FEWEST <= size <= most:
            continue
        rejected = 0
        for _ in range(repeats):
            rows, columns = (_drawn(side, size, generator) for side in sides)
            groups: dict[str, Any] = (
                {"groups_x": unit_x[rows], "groups_y": unit_y[columns]} if grouped else {}
            )
            test = mmd_test(
                x_nD[rows], y_mD[columns], permutations=permutations, rng=generator,
                **groups, **settings,
            )  # fmt: skip
            rejected += test.p_value <= alpha
        rates[size] = _wilson(rejected, repeats, f"power at {size}")
    return PowerCurve(rates, alpha, "patients" if grouped else "cases")


def _rows_by_unit(unit_N: NDArray[Any]) -> list[NDArray[np.intp]]:
    order = np.argsort(unit_N, kind="stable")
    starts = np.flatnonzero(unit_N[order][1:] != unit_N[order][:-1]) + 1
    return np.split(order, starts)


def _drawn(side: list[NDArray[np.intp]], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    chosen = rng.choice(len(side), size, replace=False)
    return np.concatenate([side[i] for i in chosen])


def _wilson(rejected: int, repeats: int, name: str) -> Score:
    """Return a rate with its interval (Wilson 1927)."""
    z, rate = 1.959963984540054, rejected / repeats
    middle = (rate + z**2 / (2 * repeats)) / (1 + z**2 / repeats)
    half = (
        z / (1 + z**2 / repeats) * (rate * (1 - rate) / repeats + (z / (2 * repeats)) ** 2) ** 0.5
    )
    return Score(
        name, rate, max(middle - half, 0.0), min(middle + half, 1.0), n=repeats, protocol="power/v1"
    )
