"""How much of two masks is shared. Both empty agree wholly (1); one empty, not at all (0).

Masks are truth values of any number of axes (images, volumes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool

    Masked = Bool[np.ndarray, "..."]


def dsc(predicted: Masked, truth: Masked) -> float:
    """Return the Dice similarity coefficient 2·|A ∩ B| / (|A| + |B|).

    >>> dsc(np.array([True, True, False]), np.array([False, True, True]))
    0.5
    """
    both, total = int((predicted & truth).sum()), int(predicted.sum()) + int(truth.sum())
    return 2 * both / total if total else 1.0


def iou(predicted: Masked, truth: Masked) -> float:
    """Return the intersection over union |A ∩ B| / |A ∪ B|.

    >>> round(iou(np.array([True, True, False]), np.array([False, True, True])), 3)
    0.333
    """
    both, either = int((predicted & truth).sum()), int((predicted | truth).sum())
    return both / either if either else 1.0
