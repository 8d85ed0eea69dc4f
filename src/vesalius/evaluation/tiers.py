"""Tiers: an order of many that claims no more than their differences allow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isnan


def tiers(values: Mapping[str, float], apart: Collection[frozenset[str]]) -> dict[str, int]:
    """Return the tier of each name: 1 for the highest and all that cannot be told from it.

    The next tier is found in the same way among those that are left. ``apart`` holds the pairs
    that can be told apart; a name without a value (NaN) has no tier. Two of one tier are both like
    its best, which does not say that they are like one another.

    >>> tiers({"a": 0.9, "b": 0.8, "c": 0.7}, [frozenset("ac")])
    {'a': 1, 'b': 1, 'c': 2}
    """
    left = sorted((n for n in values if not isnan(values[n])), key=lambda n: -values[n])
    found: dict[str, int] = {}
    tier = 0
    while left:
        tier += 1
        alike = [name for name in left if frozenset((name, left[0])) not in apart]
        found |= dict.fromkeys(alike, tier)
        left = [name for name in left if name not in alike]
    return found
