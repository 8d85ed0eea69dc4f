"""The learning rate over the steps of a training, in closed form."""

from __future__ import annotations

from math import cos, pi


def rate_factor(step: int, *, steps: int, warmup: int, schedule: str) -> float:
    """Return what the learning rate is multiplied by at a step (counted from 0).

    It rises linearly over ``warmup`` steps to 1 and then stays there (``constant``) or falls as
    half a cosine towards 0, which it would reach one step past the end (Loshchilov and Hutter
    2017, eq. 5, without restarts).

    >>> [round(rate_factor(s, steps=6, warmup=2, schedule="cosine"), 3) for s in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + cos(pi * (step - warmup) / max(steps - warmup, 1)))
