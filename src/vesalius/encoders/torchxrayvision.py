"""``torchxrayvision:NAME``: the DenseNets of TorchXRayVision (Cohen et al. 2022, arXiv 2111.00595).

Facts from the authors' code: torchvision's DenseNet-121 with one input channel, grey images of 224
pixels between -1024 and 1024, cut from the middle; features are the mean over places of the last
map after its ReLU. They resize with scikit-image, here Pillow does it.

Legend of shapes: B batch, C channels, H W pixels, D width, h w places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import ModelError, unknown
from vesalius.encoders.authors_files import check_size
from vesalius.encoders.checkpoint import fill, read_tensors
from vesalius.encoders.image_only import image_encoder
from vesalius.encoders.operations import Floats, Grey, Middle, Normalise, Resize
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.whole_module import read_module

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from vesalius.encoders.dual_encoder import DualEncoder

SIZE, WIDTH, PLACE = 224, 1024, "torchxrayvision"
_TRAINED = "densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
NAMES = {
    "densenet121-res224-all": f"nih-pc-chex-mimic_ch-google-openi-kaggle-{_TRAINED}",
    "densenet121-res224-nih": f"nih-{_TRAINED}",
    "densenet121-res224-pc": f"pc-{_TRAINED}",
    "densenet121-res224-chex": f"chex-{_TRAINED}",
    "densenet121-res224-rsna": f"kaggle-{_TRAINED}",
    "densenet121-res224-mimic_nb": f"mimic_nb-{_TRAINED}",
    "densenet121-res224-mimic_ch": f"mimic_ch-{_TRAINED}",
}
"""What the authors call a model -> the file that they publish for it."""
CLASSES = tuple(
    f"torchxrayvision.models.{name}"
    for name in ("DenseNet", "_DenseLayer", "_DenseBlock", "_Transition")
)


class DenseNetImages(nn.Module):
    """DenseNet-121 on one channel; the three of a pixel are equal here, the first is taken."""

    def __init__(self) -> None:
        from torchvision.models import densenet121

        super().__init__()
        self.features = densenet121(weights=None).features
        self.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        return self.patch_features(pixels_BCHW).mean((2, 3))

    def patch_features(self, pixels_BCHW: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Return the last map after its ReLU."""
        return torch.relu(self.features(pixels_BCHW[:, :1]))


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return a DenseNet by the authors' name; ModelError names the file and its place."""
    if argument not in NAMES:
        raise unknown("TorchXRayVision model", argument, NAMES)
    name, folder = f"torchxrayvision:{argument}", weights_dir / PLACE
    check_size(name, SIZE, image_size)
    files = (f"{argument}.safetensors", NAMES[argument], f"{argument}.pt")
    file = next((folder / x for x in files if (folder / x).is_file()), None)
    if file is None:
        raise ModelError(
            f"{name} is not here: put {NAMES[argument]}, a release of mlmed/torchxrayvision, into "
            f"{folder} (or set VESALIUS_WEIGHTS to the folder above); nothing is downloaded by "
            "itself"
        )
    model = build(
        {
            "name": name,
            "start": f"weights of {file.name}",
            "model": {},
            "preprocessing": _pixels().as_dict(),
        },
        None,
    )
    safe = file.suffix == ".safetensors"
    tensors = read_tensors(file) if safe else read_module(file, classes=CLASSES)
    ignore = {"classifier.weight", "classifier.bias", "op_threshs"}
    fill(model.image, tensors, file, ignore=ignore)
    return model


def build(config: dict[str, Any], words: str | None) -> DualEncoder:
    """Return the model that a config.json of the own layout describes, with random weights."""
    check_size(config["name"], SIZE, config["preprocessing"]["size"])
    return image_encoder(
        DenseNetImages(),
        name=config["name"],
        family="torchxrayvision",
        width=WIDTH,
        preprocess=Preprocessing.from_dict(config["preprocessing"]),
        config=config["model"],
        start=config["start"],
    )


def _pixels() -> Preprocessing:
    """Bytes to -1024 … 1024: (x / 255 - 0.5) / (0.5 / 1024)."""
    normalise = Normalise((0.5,) * 3, (0.5 / 1024,) * 3)
    return Preprocessing(SIZE, (Grey(), Middle(), Resize(side="both"), Floats(), normalise))
