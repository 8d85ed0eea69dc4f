"""What transformers' preprocessor_config.json says, as operations in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vesalius.core import ModelError
from vesalius.encoders.operations import Crop, Floats, Normalise, Operation, Resize
from vesalius.encoders.preprocessing import Preprocessing
from vesalius.encoders.text_config import read_table

PIXELS = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # where transformers 5 writes the same, under image_processor
FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # the numbers are Pillow's
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIP": {"resample": 3, "do_center_crop": True, **CLIP},
    "Siglip": {"resample": 3, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    "ViT": {"resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    "Bit": {"resample": 3, "do_center_crop": True, **CLIP},
}
"""What each image processor does where its file is silent."""


def pixels_of(folder: Path, size: int) -> Preprocessing | None:
    """Return the operations of a folder's image processor for a tower of ``size`` pixels.

    None where the folder says nothing of pixels. Raises ModelError for an image processor that is
    not known, or for settings that do not make images of ``size`` pixels.
    """
    file = next((folder / name for name in (PIXELS, PROCESSOR) if (folder / name).is_file()), None)
    if file is None:
        return None
    said = read_table(file)
    if file.name == PROCESSOR:
        said = said.get("image_processor") or {}
    kind = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "CLIP")
    known = next((name for name in DEFAULTS if kind.startswith(name)), None)
    if known is None:
        raise ModelError(f"{file}: image processor {kind!r} is not one of {', '.join(DEFAULTS)}")
    said = {**DEFAULTS[known], **{key: value for key, value in said.items() if value is not None}}
    if said.get("do_pad"):
        raise ModelError(f"{file}: do_pad is not supported")
    steps = tuple(_steps(said, size, file))
    return Preprocessing(size, steps)


def _steps(said: dict[str, Any], size: int, file: Path) -> list[Operation]:
    steps: list[Operation] = []
    if said.get("do_resize", True):
        steps.append(_resize(said, size, file))
    if said.get("do_center_crop", False):
        crop = _side(said.get("crop_size", size), ("height", "width"), file)
        steps.append(Crop(0 if crop == size else crop, rounding="down"))
    rescaled = said.get("do_rescale", True)
    divide = 1 / said.get("rescale_factor", 1 / 255) if rescaled else 1
    steps.append(Floats(divide=round(divide, 6)))
    if said.get("do_normalize", True):
        steps.append(Normalise(tuple(said["image_mean"]), tuple(said["image_std"])))
    return steps


def _resize(said: dict[str, Any], size: int, file: Path) -> Resize:
    wanted, number = said.get("size", size), said["resample"]
    if number not in FILTERS:
        raise ModelError(f"{file}: resample {number} is not one of {FILTERS}")
    shortest = isinstance(wanted, int) and said.get("do_center_crop", False)
    if isinstance(wanted, dict) and "shortest_edge" in wanted:
        shortest, wanted = True, wanted["shortest_edge"]
    to = _side(wanted, ("height", "width"), file)
    side = "shortest" if shortest else "both"
    return Resize(0 if to == size else to, side=side, filter=FILTERS[number])


def _side(wanted: Any, names: tuple[str, str], file: Path) -> int:
    sides = {wanted} if isinstance(wanted, int) else {wanted.get(name) for name in names}
    if len(sides) != 1 or not isinstance(side := sides.pop(), int):
        raise ModelError(f"{file}: size {wanted} is not that of a square")
    return side
