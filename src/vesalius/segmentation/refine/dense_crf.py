"""A fully connected conditional random field over the pixels, solved by mean field.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core.errors import DataError, RecipeError
from vesalius.segmentation.checked import checked_map, is_flat

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from torch import Tensor

CLIP = 1e-5  # of a probability: no pixel is so sure that its neighbours cannot move it


def dense_crf(
    heat_HW: Any,
    image: np.ndarray | None = None,
    *,
    gaussian_sxy: float = 3.0,
    gaussian_compat: float = 3.0,
    bilateral_sxy: float = 60.0,
    bilateral_srgb: float = 5.0,
    bilateral_compat: float = 5.0,
    iterations: int = 10,
) -> Bool[np.ndarray, "H W"]:
    """Return the pixels that belong to a map's target once near and alike pixels agree.

    The map between its least and its greatest value is the probability of the first step;
    :func:`mean_field` does the rest, in the original image's pixels and 8-bit colours.

    Raises:
        DataError: no image, one of another size or kind, or a map that is not finite.
        RecipeError: a width that is not above 0, a weight below 0, or no iteration.

    Source: Krähenbühl & Koltun 2011; the settings are those of Koleilat et al. 2024 (MedCLIP-SAM).

    >>> image = np.array([[10, 10, 10, 200]], np.uint8)  # the third is as the first two
    >>> dense_crf([[1.0, 1.0, 0.3, 0.0]], image).tolist()
    [[True, True, True, False]]
    """
    if image is None:
        raise DataError("dense_crf needs the image that the heatmap lies on")
    heat_HW = checked_map(heat_HW, image)
    if is_flat(heat_HW):
        return np.zeros(heat_HW.shape, bool)
    unit_HW = (heat_HW - heat_HW.min()) / (heat_HW.max() - heat_HW.min())
    return np.asarray(
        mean_field(
            unit_HW,
            image,
            gaussian_sxy=gaussian_sxy,
            gaussian_compat=gaussian_compat,
            bilateral_sxy=bilateral_sxy,
            bilateral_srgb=bilateral_srgb,
            bilateral_compat=bilateral_compat,
            iterations=iterations,
        )
        > 0.5
    )


def mean_field(
    foreground_HW: Float[np.ndarray, "H W"],
    image: UInt8[np.ndarray, "H W ..."],
    *,
    gaussian_sxy: float,
    gaussian_compat: float,
    bilateral_sxy: float,
    bilateral_srgb: float,
    bilateral_compat: float,
    iterations: int,
) -> Float[np.ndarray, "H W"]:
    """Return Q, the probability of the foreground under the mean field, after some iterations.

    With two labels only the difference of their energies counts:
    Q ← σ(logit p + Σₘ wₘ Kₘ(2Q − 1)), where Kₘ = D^-½ k D^-½ is a kernel normalised on both sides
    by its row sums D (the authors' symmetric normalisation, the own pixel counted), and wₘ the
    weight of Potts' model. k₁ = exp(−‖x_i − x_j‖²/2 sxy²) knows where pixels are,
    k₂ = exp(−‖x_i − x_j‖²/2 sxy² − ‖c_i − c_j‖²/2 srgb²) their colours too; a grey is three equal
    channels, as it is in the authors' code.

    Raises:
        RecipeError: a width that is not above 0, a weight below 0, or no iteration.
    """
    import torch

    from vesalius.segmentation.refine.pixel_kernels import bilateral_kernel, gaussian_kernel

    widths = {"gaussian_sxy": gaussian_sxy, "bilateral_sxy": bilateral_sxy,
              "bilateral_srgb": bilateral_srgb}  # fmt: skip
    weights = {"gaussian_compat": gaussian_compat, "bilateral_compat": bilateral_compat}
    _check(widths, weights, iterations)
    probability_HW = torch.from_numpy(np.clip(foreground_HW, CLIP, 1 - CLIP))
    logit_HW = torch.logit(probability_HW)
    height, width = probability_HW.shape
    kernels = []
    if gaussian_compat:
        kernels.append((gaussian_compat, gaussian_kernel(height, width, sxy=gaussian_sxy)))
    if bilateral_compat:
        kernel = bilateral_kernel(image, sxy=bilateral_sxy, srgb=bilateral_srgb)
        kernels.append((bilateral_compat, kernel))
    scales = [kernel(torch.ones_like(logit_HW)).clamp_min(1e-20).rsqrt() for _, kernel in kernels]
    q_HW = probability_HW
    for _ in range(iterations):
        energy_HW: Tensor = logit_HW
        for (compat, kernel), scale_HW in zip(kernels, scales, strict=True):
            energy_HW = energy_HW + compat * scale_HW * kernel(scale_HW * (2 * q_HW - 1))
        q_HW = torch.sigmoid(energy_HW)
    return np.asarray(q_HW.numpy())


def _check(widths: dict[str, float], weights: dict[str, float], iterations: int) -> None:
    for name, value in widths.items():
        if not (isfinite(value) and value > 0):
            raise RecipeError(f"dense_crf: {name} is {value!r}; it must be a number above 0")
    for name, value in weights.items():
        if not (isfinite(value) and value >= 0):
            raise RecipeError(f"dense_crf: {name} is {value!r}; it must be a number, 0 or more")
    if iterations < 1:
        raise RecipeError(f"dense_crf: iterations is {iterations}; at least one is needed")
