"""How far apart the outlines of two masks lie.

An outline is the pixels of a mask that have a neighbour (across a side) outside it or outside the
image; its distances run from pixel centre to pixel centre, in the units of ``spacing`` (pixels
where it is 1). That is MONAI's form, and values equal MONAI's where both masks have an outline.

Both masks empty agree: NSD 1, HD95 0. One empty is a miss: NSD 0, and HD95 the image's diagonal,
the greatest distance that two of its pixels have, so that a mean over cases stays finite and does
not skip the miss (DeepMind's surface-distance gives infinity there, MONAI infinity or NaN, and NaN
for both empty).

Source: Nikolov et al. 2021 (surface Dice at a tolerance); Taha & Hanbury 2015 (Hausdorff distance).

Legend: D pixels of an outline; masks are truth values of any number of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Masked = Bool[np.ndarray, "..."]

Spacing = float | Sequence[float]
TOLERANCE = 2.0
ROUNDING = 1e-9  # three steps of 0.1 lie within 0.3


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """How far each outline pixel of one mask lies from the other's; empty where there is none.

    ``diagonal`` is the greatest distance that two pixels of the image have.
    """

    of_predicted_D: Float[np.ndarray, "D"]
    of_truth_D: Float[np.ndarray, "D"]
    diagonal: float

    def nsd(self, tolerance: float) -> float:
        """Return the share of both outlines that lies within the tolerance of the other."""
        if self._empty:
            return float(self._both_empty)
        reach = tolerance * (1 + ROUNDING)
        near = sum(int((own_D <= reach).sum()) for own_D in self._both)
        return near / sum(len(own_D) for own_D in self._both)

    def hd95(self) -> float:
        """Return the greater of the two directions' 95th percentiles."""
        if self._empty:
            return 0.0 if self._both_empty else self.diagonal
        return max(float(np.percentile(own_D, 95)) for own_D in self._both)

    @property
    def _both(self) -> tuple[Float[np.ndarray, "D"], Float[np.ndarray, "D"]]:
        return self.of_predicted_D, self.of_truth_D

    @property
    def _empty(self) -> bool:
        return not all(own_D.size for own_D in self._both)

    @property
    def _both_empty(self) -> bool:
        return not any(own_D.size for own_D in self._both)


def surface_distances(
    predicted: Masked, truth: Masked, *, spacing: Spacing = 1.0
) -> SurfaceDistances:
    """Return how far each outline pixel of either mask lies from the other mask's outline.

    ``spacing``: the distance between pixels, one number or one an axis.

    >>> one, other = np.zeros((2, 5, 9), dtype=bool)
    >>> one[1:4, 1:4], other[1:4, 3:6] = True, True
    >>> surface_distances(one, other).hd95()
    2.0
    """
    step = spacing_of(spacing, predicted.ndim)
    sides = np.array(predicted.shape)
    diagonal = float(np.linalg.norm((sides - 1) * step))
    if not (predicted.any() and truth.any()):
        # without an outline on the other side there is no distance, only that there is none
        away = [np.full(int(outline(mask).sum()), np.inf) for mask in (predicted, truth)]
        return SurfaceDistances(away[0], away[1], diagonal)
    around = _around(predicted | truth)
    outlines = [outline(mask)[around] for mask in (predicted, truth)]
    return SurfaceDistances(
        _distance_to(outlines[1], step)[outlines[0]],
        _distance_to(outlines[0], step)[outlines[1]],
        diagonal,
    )


def nsd(
    predicted: Masked, truth: Masked, *, tolerance: float = TOLERANCE, spacing: Spacing = 1.0
) -> float:
    """Return the normalised surface distance: the share of both outlines near the other.

    Near is within ``tolerance``, in the units of ``spacing``. Also known as surface Dice.
    """
    return surface_distances(predicted, truth, spacing=spacing).nsd(tolerance)


def hd95(predicted: Masked, truth: Masked, *, spacing: Spacing = 1.0) -> float:
    """Return the 95th percentile Hausdorff distance, in the units of ``spacing``."""
    return surface_distances(predicted, truth, spacing=spacing).hd95()


def outline(mask: Masked) -> Masked:
    """Return the pixels of a mask that have a neighbour outside it; the image's edge is outside."""
    from scipy.ndimage import binary_erosion

    inner: NDArray[np.bool_] = binary_erosion(mask)
    return mask & ~inner


def spacing_of(spacing: Spacing, axes: int) -> NDArray[np.float64]:
    """Return the distance between pixels along each axis; DataError where it is none."""
    step = np.asarray(spacing, dtype=np.float64)
    if step.shape not in ((), (axes,)) or not np.isfinite(step).all() or (step <= 0).any():
        raise DataError(
            f"a spacing is one number above 0, or {axes} for {axes} axes, not {spacing!r}"
        )
    return np.broadcast_to(step, (axes,))


def _around(mask: Masked) -> tuple[slice, ...]:
    """Return the slices of the smallest block that holds a mask: distances need no more of it."""
    from scipy.ndimage import find_objects

    (block,) = find_objects(mask.astype(np.int8))
    return tuple(block)


def _distance_to(pixels: Masked, step: NDArray[np.float64]) -> NDArray[Any]:
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(~pixels, sampling=step)
    assert isinstance(away, np.ndarray)
    return away
