"""Relabellings: what could have been x and what y, if both came from one source.

The unit that is exchanged is what could have fallen on either side: a case, a patient with all
cases, or, in a paired design, the two sides of a pair.

Legend: N cases of both samples pooled (x first), n of x, P relabellings; column 0 is what was
observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Int, UInt8


MANY = 64  # units with which there are more relabellings than anybody draws


@dataclass(frozen=True, slots=True)
class Relabellings:
    """``labels_NP`` says who is x (1); ``opposite`` who then stands opposite whom, where that is
    asked: of each relabelling, or one row for all of them (a swap keeps a pair together).

    ``unit_N`` numbers the units, ``units`` says what they are, ``possible`` how many relabellings
    of different MMD² there are.
    """

    labels_NP: UInt8[np.ndarray, "N P"]
    unit_N: Int[np.ndarray, "N"]
    units: str
    possible: float
    opposite: tuple[Int[np.ndarray, "P n"], Int[np.ndarray, "P n"]] | None = None


def relabellings(
    sizes: tuple[int, int],
    groups: tuple[ArrayLike | None, ArrayLike | None],
    paired: bool,
    estimator: str,
    permutations: int,
    rng: np.random.Generator,
) -> Relabellings:
    """Draw what the design lets be exchanged.

    Raises:
        DataError: the sizes, the groups and the estimator do not fit each other.
    """
    n, m = sizes
    of_x, of_y = (None if own is None else np.asarray(own) for own in groups)
    if (of_x is None) != (of_y is None):
        raise DataError("groups_x and groups_y are given together or not at all")
    for name, own, size in (("groups_x", of_x, n), ("groups_y", of_y, m)):
        if own is not None and own.shape != (size,):
            raise DataError(f"{name} has shape {own.shape}; it must name {size} cases' patients")
        if own is not None:
            _named(name, own)
    if (paired or estimator == "u") and n != m:
        what = "a paired test" if paired else "estimator 'u'"
        raise DataError(f"{what} needs as many cases of x as of y, not {n} and {m}")
    if paired:
        if of_x is not None and of_y is not None and not np.array_equal(of_x, of_y):
            raise DataError(
                "in a paired test groups_x and groups_y must be equal: row i is one case"
            )
        return _swapped(n, of_x, permutations, rng)
    if of_x is None or of_y is None:
        return _free(n, m, permutations, rng, opposite=estimator == "u")
    if estimator == "u":
        raise DataError("estimator 'u' sets x_i against y_i, which groups do not; use 'unbiased'")
    return _grouped(of_x, of_y, permutations, rng)


def _named(name: str, own: NDArray[Any]) -> None:
    """Refuse a missing patient: cases without one would all count as one patient's."""
    nameless = [i for i, one in enumerate(own.tolist()) if one is None or one != one]
    if nameless:
        raise DataError(
            f"{len(nameless)} cases of {name} have no patient, first case {nameless[0]}"
        )


def _free(n: int, m: int, draws: int, rng: np.random.Generator, *, opposite: bool) -> Relabellings:
    """Exchange single cases; ``opposite`` also pairs the i-th of x with the i-th of y."""
    total = n + m
    labels_NP = np.zeros((total, draws + 1), np.uint8)
    orders = np.empty((draws + 1, total), np.int32) if opposite else None
    for p in range(draws + 1):
        order = np.arange(total) if p == 0 else rng.permutation(total)
        labels_NP[order[:n], p] = 1
        if orders is not None:
            orders[p] = order
    return Relabellings(
        labels_NP,
        np.arange(total),
        "cases",
        _choices(total, n),
        None if orders is None else (orders[:, :n], orders[:, n:]),
    )


def _grouped(
    x: NDArray[Any], y: NDArray[Any], draws: int, rng: np.random.Generator
) -> Relabellings:
    """Exchange whole patients, each with all cases."""
    both = np.intersect1d(x, y)
    if both.size:
        raise DataError(
            f"{both.size} patients have cases in both samples, so that they cannot be exchanged as "
            "a whole; take each patient's cases from one side, or pair the cases (paired=True)"
        )
    names, unit_N = np.unique(np.concatenate([x, y]), return_inverse=True)
    of_x = len(np.unique(x))
    if min(of_x, len(names) - of_x) < 2:
        raise DataError("each sample needs at least 2 patients")
    label_G = np.zeros(len(names), np.uint8)
    label_G[unit_N[: len(x)]] = 1
    columns = [label_G, *(rng.permutation(label_G) for _ in range(draws))]
    labels_NP = np.stack(columns, axis=1)[unit_N]
    return Relabellings(labels_NP, unit_N, "patients", _choices(len(names), of_x))


def _swapped(
    n: int, groups: NDArray[Any] | None, draws: int, rng: np.random.Generator
) -> Relabellings:
    """Swap the two sides of pairs, those of a patient together."""
    unit_n = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit_n.max()) + 1
    if units < 2:
        raise DataError("a paired test needs at least 2 patients")
    keep_PG = np.ones((draws + 1, units), np.uint8)
    keep_PG[1:] = rng.integers(0, 2, (draws, units), dtype=np.uint8)
    keep_nP = np.ascontiguousarray(keep_PG.T[unit_n])
    return Relabellings(
        np.concatenate([keep_nP, 1 - keep_nP]),
        np.concatenate([unit_n, unit_n]),
        "pairs" if groups is None else "patients' pairs",
        2.0 ** (units - 1) if units < MANY else inf,  # all swapped is none swapped
        (np.arange(n)[None], np.arange(n, 2 * n)[None]),
    )


def _choices(total: int, n: int) -> float:
    """Return in how many ways n of all can be x; where x and y could trade places, in half."""
    if total >= MANY:
        return inf
    return float(comb(total, n) // (2 if total == 2 * n else 1))
