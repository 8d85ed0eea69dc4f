"""Does a map change when the model's weights are made random? If not, it shows the image alone.

The weights are made random by whoever holds the model, layer after layer from the top (cascading
randomisation); here the maps before and after are compared.

Source: Adebayo et al. 2018 (sanity checks for saliency maps).

Legend: H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.ranking import midranks

if TYPE_CHECKING:
    from jaxtyping import Float

SSIM_SIGMA, SSIM_WINDOW = 1.5, 11  # Wang et al. 2004
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two maps of one image are: 1 the same, 0 nothing in common."""

    spearman: float
    ssim: float


def randomisation_similarity(
    before_HW: Float[np.ndarray, "H W"], after_HW: Float[np.ndarray, "H W"]
) -> Likeness:
    """Return how alike a map is before and after the model's weights were made random.

    A map that hardly changes shows the image, not the model. Spearman's correlation of the pixels
    sees order alone; SSIM (Gaussian window, Wang et al. 2004) compares structure, and only for it
    is each map brought to 0…1, since the two models' scales say nothing and a difference of scale
    must not pass for one of shape (Adebayo et al. 2018). Where one map is the same everywhere
    nothing is alike (0); where both are, everything is (1).

    Raises:
        DataError: sizes differ, are below 11 × 11, or values are not finite.
    """
    maps = [np.asarray(own_HW, dtype=np.float64) for own_HW in (before_HW, after_HW)]
    shapes = [own_HW.shape for own_HW in maps]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or min(shapes[0]) < SSIM_WINDOW:
        raise DataError(
            f"two maps of one size of at least {SSIM_WINDOW} × {SSIM_WINDOW} are compared, "
            f"not {shapes[0]} and {shapes[1]}"
        )
    if not all(np.isfinite(own_HW).all() for own_HW in maps):
        raise DataError("a map has values that are not finite")
    flat = [float(own_HW.min()) == float(own_HW.max()) for own_HW in maps]
    if any(flat):
        alike = float(all(flat))
        return Likeness(alike, alike)
    ranks = [midranks(own_HW.ravel()) for own_HW in maps]
    scaled = [(own_HW - own_HW.min()) / (own_HW.max() - own_HW.min()) for own_HW in maps]
    return Likeness(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), _ssim(scaled[0], scaled[1]))


def _ssim(x_HW: Float[np.ndarray, "H W"], y_HW: Float[np.ndarray, "H W"]) -> float:
    """Return the mean structural similarity of two pictures in 0…1, away from the edges."""
    from scipy.ndimage import gaussian_filter

    half = SSIM_WINDOW // 2

    def local(own_HW: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = gaussian_filter(own_HW, SSIM_SIGMA, radius=half)
        return found[half:-half, half:-half]

    x, y = local(x_HW), local(y_HW)
    spread_x, spread_y = local(x_HW**2) - x**2, local(y_HW**2) - y**2
    shared = local(x_HW * y_HW) - x * y
    ssim = (2 * x * y + SSIM_C1) * (2 * shared + SSIM_C2)
    ssim /= (x**2 + y**2 + SSIM_C1) * (spread_x + spread_y + SSIM_C2)
    return float(ssim.mean())
