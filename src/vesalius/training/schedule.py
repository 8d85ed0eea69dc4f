"""The learning rate over the steps of a training, in closed form."""

from __future__ import annotations

from math import cos, pi


def rate_factor(step: int, *, steps: int, warmup: int, schedule: str) -> float:
    """Return what the learning rate is multiplied by at a step (counted from 0).

    It rises linearly over ``warmup`` steps to 1 and then

    - ``constant``: stays there;
    - ``cosine``: falls as half a cosine towards 0, which it would reach one step past the end
      (Loshchilov and Hutter 2017, eq. 5, without restarts);
    - ``linear``: falls evenly towards 0, likewise;
    - ``step``: is a tenth from half of all steps on, and a hundredth from three quarters on
      (MedMNIST: Yang et al. 2023).

    >>> [round(rate_factor(s, steps=6, warmup=2, schedule="cosine"), 3) for s in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    >>> [rate_factor(s, steps=8, warmup=0, schedule="step") for s in range(8)]
    [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "step":
        return 1.0 if 2 * step < steps else 0.1 if 4 * step < 3 * steps else 0.01
    done = (step - warmup) / max(steps - warmup, 1)
    return 1 - done if schedule == "linear" else 0.5 * (1 + cos(pi * done))
