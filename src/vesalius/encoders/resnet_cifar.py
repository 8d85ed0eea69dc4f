"""``resnet18-28``: a ResNet-18 for small tiles, with the stem that CIFAR's models have.

MedMNIST's own models at 28 pixels: a first convolution of 3 × 3 with stride 1 and no pooling,
pixels normalised by (0.5, 0.5) (Yang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import ModelError
from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.timm_images import TimmTower

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

NAME = "resnet18-28"
SIDE = 28
HALF = (0.5, 0.5, 0.5)


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return the model with random weights; raises ModelError for a name with more behind it."""
    if argument:
        raise ModelError(f"{NAME} takes nothing after a colon; load trained weights by their path")
    pixels = Preprocessing.usual(image_size or SIDE, mean=HALF, std=HALF)
    return _encoder(pixels, f"random weights, seed {seed}")


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes (random weights)."""
    return _encoder(Preprocessing.from_dict(config["preprocessing"]), config["start"])


def _encoder(pixels: Preprocessing, start: str) -> DualEncoder:
    import timm

    model: Any = timm.create_model("resnet18", pretrained=False, num_classes=0)
    model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return image_encoder(
        TimmTower(model, name=NAME),
        name=NAME,
        family=NAME,
        width=model.num_features,
        preprocess=pixels,
        config={},
        start=start,
    )
