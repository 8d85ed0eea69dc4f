"""Images, masks and weights at the side that a network learns at.

Images are stretched to a square, so that nothing is cut off and the way back is a stretch again.
Legend of shapes: B batch, C channels, H W pixels of the original, N cases, S pixels of the square.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from vesalius.core import DataError, ImageColumn, Mask
from vesalius.segmentation.checked import checked_image

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What is learnt from: truths are the share of a pixel that lies inside, weight 0 is ignored.

    Cases without any weight are not among them.
    """

    names: list[str]
    pixels_NCSS: UInt8[Tensor, "N C S S"]
    truths_NSS: Float[Tensor, "N S S"]
    weights_NSS: Float[Tensor, "N S S"]

    def __len__(self) -> int:
        return len(self.names)

    def fingerprint(self) -> str:
        """Return a digest of everything that is learnt from."""
        digest = sha256("\n".join(self.names).encode())
        for values in (self.pixels_NCSS, self.truths_NSS, self.weights_NSS):
            digest.update(values.numpy().data)
        return digest.hexdigest()


def prepared(
    images: Sequence[Any] | ImageColumn,
    masks: Sequence[Any],
    confidence: Any,
    *,
    size: int,
    channels: int,
) -> Prepared:
    """Return the images with their masks, at ``size`` × ``size`` pixels.

    ``confidence`` in [0, 1] weighs each case (a number) or each pixel (a map of the mask's shape);
    None is 1 everywhere. Pixels of weight 0 take no part in the resizing either.

    Raises:
        DataError: there are not as many masks (or confidences) as images, one has another size than
            its image, values cannot be, or nothing is left to learn from.
    """
    if len(images) == 0:
        raise DataError("there are no images to learn from")
    counts = {"images": len(images), "masks": len(masks)}
    if confidence is not None:
        counts["confidences"] = len(confidence)
    if len(set(counts.values())) > 1:
        raise DataError(", ".join(f"{n} {what}" for what, n in counts.items()) + ": one for each")
    names, pixels, truths, weights = [], [], [], []
    for i in range(len(images)):
        name, image = name_of(images, i), np.asarray(images[i])
        own = at_size(image, name, size=size, channels=channels)
        mask_HW = _mask(masks[i], name, image.shape[:2])
        weight_HW = _weight(None if confidence is None else confidence[i], name, mask_HW.shape)
        if not weight_HW.any():
            continue
        both_2HW = torch.from_numpy(np.stack([mask_HW * weight_HW, weight_HW]))
        (said_SS, weight_SS), *_ = interpolate(
            both_2HW[None], (size, size), mode="bilinear", antialias=True
        )
        names.append(name)
        pixels.append(own)
        truths.append(share(said_SS, weight_SS).half())
        weights.append(weight_SS.clamp(0, 1).half())
    if len(names) < len(images):
        log.info("%d of %d cases have no confidence and are left out", len(images) - len(names),
                 len(images))  # fmt: skip
    if not names:
        raise DataError(f"none of {len(images)} cases has a confidence above 0")
    return Prepared(names, torch.stack(pixels), torch.stack(truths), torch.stack(weights))


def trusted(confidence: Sequence[Any], *, least: float) -> list[np.ndarray]:
    """Return the confidence of each case or pixel, 0 where it is below ``least`` or no number.

    >>> [float(own) for own in trusted([0.9, 0.4, float("nan")], least=0.5)]
    [0.9, 0.0, 0.0]
    """
    return [np.where(np.asarray(own) >= least, own, 0.0) for own in confidence]


def at_size(image: Any, name: str, *, size: int, channels: int) -> UInt8[Tensor, "C S S"]:
    """Return one image, grey or in colour as the network takes it, stretched to the square.

    Raises:
        DataError: it is not uint8 of shape (H, W) or (H, W, 3), or has no pixels.
    """
    from PIL.Image import Resampling, fromarray

    try:
        checked_image(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    if image.size == 0:
        raise DataError(f"{name}: an image of shape {image.shape} has no pixels")
    picture = fromarray(image).convert("L" if channels == 1 else "RGB")
    values = np.array(picture.resize((size, size), Resampling.BILINEAR))
    return torch.from_numpy(values).reshape(size, size, channels).permute(2, 0, 1).contiguous()


def normalised(pixels_BCSS: UInt8[Tensor, "B C S S"]) -> Float[Tensor, "B C S S"]:
    """Return each image with mean 0 and standard deviation 1 (nnU-Net: Isensee et al. 2021).

    A flat image is 0 everywhere.
    """
    values_BCSS = pixels_BCSS.float()
    std_B111, mean_B111 = torch.std_mean(values_BCSS, (1, 2, 3), correction=0, keepdim=True)
    return (values_BCSS - mean_B111) / std_B111.clamp(min=1)  # of 255 grey levels


def share(said: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted truth over its weight, in [0, 1]; 0 where there is no weight."""
    return torch.where(weight > 0, said / weight.clamp(min=1e-6), 0.0).clamp(0, 1)


def name_of(images: Any, index: int) -> str:
    """Return what a person would look for: the column's own name of it, or its place."""
    named = getattr(images, "name", None)
    return str(named(index)) if callable(named) else f"image {index}"


def _mask(mask: Any, name: str, shape: tuple[int, ...]) -> Float[np.ndarray, "H W"]:
    mask = np.asarray(mask.values_HW if isinstance(mask, Mask) else mask)
    if mask.dtype not in (np.bool_, np.uint8):
        raise DataError(f"{name}: a mask is bool or uint8 (0 is outside), not {mask.dtype}")
    if mask.shape != shape:
        raise DataError(f"{name}: its mask has shape {mask.shape}, the image {shape}")
    return (mask > 0).astype(np.float32)


def _weight(confidence: Any, name: str, shape: tuple[int, ...]) -> Float[np.ndarray, "H W"]:
    found = np.asarray(1.0 if confidence is None else confidence, dtype=np.float32)
    if found.shape not in ((), shape):
        raise DataError(f"{name}: its confidence has shape {found.shape}, the mask {shape}")
    if not ((found >= 0) & (found <= 1)).all():  # NaN is neither
        raise DataError(f"{name}: its confidence is not within [0, 1] everywhere")
    return np.broadcast_to(found, shape)
