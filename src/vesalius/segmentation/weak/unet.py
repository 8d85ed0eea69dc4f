"""The U-Net: an encoder of the zoo of segmentation-models-pytorch, with random weights.

Nothing is downloaded.
"""

from __future__ import annotations

import torch
from torch import nn

from vesalius.core import ModelError, unknown

WIDTHS = (16, 32, 64, 128, 256)  # of the decoder, from the image's own resolution down


def unet(
    encoder: str = "resnet18", *, channels: int = 1, depth: int = 5, seed: int = 0
) -> nn.Module:
    """Return a U-Net from images (B, channels, S, S) to logits (B, 1, S, S), randomly initialised.

    Ronneberger et al. 2015, with a convolutional network for images as its contracting half.

    Args:
        encoder: as segmentation-models-pytorch names it (``resnet18``, ``efficientnet-b0``,
            ``tu-convnext_tiny`` …).
        channels: 1 for grey images, 3 for colour.
        depth: how often the encoder halves the side, 3 to 5.
        seed: of the weights; the global random state stays.

    Raises:
        ModelError: segmentation-models-pytorch is not installed, or it cannot build this.
        ChoiceError: there is no such encoder.
    """
    try:
        import segmentation_models_pytorch as smp
    except ImportError:
        raise ModelError(
            "a U-Net needs segmentation-models-pytorch: pip install 'vesalius[segmentation]'"
        ) from None
    if channels not in (1, 3):
        raise ModelError(f"channels is {channels}, not 1 (grey) or 3 (colour)")
    if not 3 <= depth <= len(WIDTHS):
        raise ModelError(f"depth is {depth}, not within 3 and {len(WIDTHS)}")
    if not encoder.startswith("tu-") and encoder not in smp.encoders.get_encoder_names():
        raise unknown("encoder of a U-Net", encoder, smp.encoders.get_encoder_names())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return smp.Unet(
                encoder,
                encoder_depth=depth,
                encoder_weights=None,
                decoder_channels=WIDTHS[depth - 1 :: -1],
                in_channels=channels,
                classes=1,
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"no U-Net with encoder {encoder!r}: {error}") from None
