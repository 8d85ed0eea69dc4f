"""From stored values to 256 greys: windows and stretches. Legend of shapes: H W pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

TAILS = (0.5, 99.5)  # percentiles
BLOCK = 2**20  # pixels that are worked on at once


@dataclass(frozen=True, slots=True)
class Window:
    """A range of values that fills the greys: centre, width, and the curve between.

    ``curve`` is ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID`` (DICOM PS3.3, C.11.2.1.2 and .3).
    """

    centre: float
    width: float
    curve: str = "LINEAR"

    @property
    def usable(self) -> bool:
        """Say whether the numbers make a window: a linear one is at least 1 wide."""
        least = self.width >= 1 if self.curve == "LINEAR" else self.width > 0
        return bool(np.isfinite([self.centre, self.width]).all() and least)

    def __str__(self) -> str:
        curve = "" if self.curve == "LINEAR" else f" {self.curve.lower().replace('_', ' ')}"
        return f"window {self.centre:g}/{self.width:g}{curve}"


def window_of(text: str, where: object) -> Window:
    """Read ``centre,width``, as in ``40,400``.

    >>> window_of("-600,1500", "ct.dcm")
    Window(centre=-600.0, width=1500.0, curve='LINEAR')

    Raises:
        DataError: these are not two numbers that make a window.
    """
    try:
        centre, width = (float(part) for part in text.split(","))
    except ValueError:
        centre, width = np.nan, np.nan
    window = Window(centre, width)
    if not window.usable:
        raise DataError(f"{where}: window={text!r} is not centre,width such as 40,400")
    return window


def windowed(values_HW: NDArray[Any], window: Window) -> UInt8[np.ndarray, "H W"]:
    """Return the greys of a window; NaN becomes black.

    >>> windowed(np.array([-200, 40, 240]), Window(40, 400))
    array([  0, 128, 255], dtype=uint8)
    """
    centre, width = window.centre, window.width

    def shares(x: NDArray[np.float64]) -> NDArray[np.float64]:
        if window.curve == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -700, 700)))
        if window.curve == "LINEAR_EXACT":
            return (x - centre) / width + 0.5
        if width == 1:
            return np.where(x > centre - 0.5, 1.0, 0.0)
        return (x - (centre - 0.5)) / (width - 1) + 0.5

    return _greys(values_HW, shares)


def stretched(
    values_HW: NDArray[Any],
    *,
    tails: tuple[float, float] = (0, 100),
    among_HW: Bool[np.ndarray, "H W"] | None = None,
) -> UInt8[np.ndarray, "H W"]:
    """Stretch an image from its own least to its greatest finite value; a flat one is black.

    Args:
        values_HW: any numbers; NaN becomes black.
        tails: percentiles to stretch between instead, so that a few extremes do not matter.
        among_HW: the pixels that count.
    """
    counts_HW = np.isfinite(values_HW) if among_HW is None else np.isfinite(values_HW) & among_HW
    finite = values_HW if counts_HW.all() else values_HW[counts_HW]
    if not finite.size:
        return np.zeros(values_HW.shape, np.uint8)
    ends = (finite.min(), finite.max()) if tails == (0, 100) else np.percentile(finite, tails)
    low, high = float(ends[0]), float(ends[1])
    if high <= low:
        return np.zeros(values_HW.shape, np.uint8)
    return _greys(values_HW, lambda x: (x - low) / (high - low))


def _greys(
    values_HW: NDArray[Any], shares: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> UInt8[np.ndarray, "H W"]:
    """Return 255 times the share that each value has, some rows at a time to spare memory."""
    grey_HW = np.empty(values_HW.shape, np.uint8)
    rows = max(BLOCK // max(values_HW[:1].size, 1), 1)
    for top in range(0, len(values_HW), rows):
        with np.errstate(all="ignore"):  # values may be infinite
            share = shares(values_HW[top : top + rows].astype(np.float64))
        share = np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
        grey_HW[top : top + rows] = (share * 255).round()
    return grey_HW
