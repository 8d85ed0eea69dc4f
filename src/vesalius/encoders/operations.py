"""The single steps from a decoded image to what a tower sees. Each is a value: data, not code.

A step before :class:`Floats` works on bytes (a Pillow image), a step after it on float32 values;
``size`` is the tower's image size in pixels, and a step's own 0 stands for it. Legend: H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import ModelError, unknown

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL.Image import Image

    Values = Float[np.ndarray, "H W 3"]

Window = tuple[int, int, int]
"""The square that a step shows of its image: left, top, side (outside it is a border)."""

FILTERS = ("bilinear", "bicubic", "lanczos")
SIDES = ("shortest", "longest", "both")
PLACES = ("centre", "corner")
CROP_ROUNDINGS: dict[str, Callable[[float], int]] = {"nearest": round, "down": int}
ROUNDINGS: dict[str, Callable[[int, int, int], int]] = {
    "nearest": lambda side, to, longest: round(side / (longest / to)),
    "down": lambda side, to, longest: int(side / (longest / to)),
    "down_ratio": lambda side, to, longest: int(side * (to / longest)),
}
"""How the sides of an image whose longest side becomes ``to`` are rounded: as open_clip does it;
down; down after the ratio was rounded, so that the longest side itself may lose a pixel."""


@dataclass(frozen=True, slots=True)
class Grey:
    """One channel of bytes from three, 0.299 R + 0.587 G + 0.114 B."""

    def __call__(self, image: Image, size: int) -> Image:
        return image.convert("L")

    def describe(self, size: int) -> str:
        return "grey"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From the image's own minimum and maximum to 0-255, rounded down to bytes."""

    def __call__(self, image: Image, size: int) -> Image:
        from PIL.Image import fromarray

        values = np.asarray(image, np.float64)
        values = values - values.min()
        return fromarray((values / (values.max() or 1) * 255).astype(np.uint8))

    def describe(self, size: int) -> str:
        return "stretch"


@dataclass(frozen=True, slots=True)
class Square:
    """Pad to a square of the longest side, and of ``at_least`` pixels.

    The image lies in the ``centre`` (the odd pixel right and below) or in the upper left
    ``corner``.
    """

    fill: int = 0
    place: str = "centre"
    at_least: int = 1

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise unknown("place", self.place, PLACES)

    def __call__(self, image: Image | Values, size: int) -> Image | Values:
        from PIL.Image import new

        width, height = _sides(image)
        x, y, side = self.window(width, height, size)
        left, top = -x, -y
        if isinstance(image, np.ndarray):
            values_HWC = np.full((side, side, 3), self.fill, np.float32)
            values_HWC[top : top + height, left : left + width] = image
            return values_HWC
        square = new(image.mode, (side, side), _shade(self.fill, image))
        square.paste(image, (left, top))
        return square

    def window(self, width: int, height: int, size: int) -> Window:
        side = max(self.at_least or size, width, height)
        if self.place == "corner":
            return 0, 0, side
        return -((side - width) // 2), -((side - height) // 2), side

    def describe(self, size: int) -> str:
        least = "" if self.at_least == 1 else f" of at least {self.at_least or size}"
        return f"pad to a square{least}, {self.place}, {self.fill}"


@dataclass(frozen=True, slots=True)
class Middle:
    """Cut out the largest square in the middle; its odd pixel goes as in TorchXRayVision's code."""

    def __call__(self, image: Image, size: int) -> Image:
        left, top, side = self.window(*image.size, size)
        return image.crop((left, top, left + side, top + side))

    def window(self, width: int, height: int, size: int) -> Window:
        side = min(width, height)
        return width // 2 - side // 2, height // 2 - side // 2, side

    def describe(self, size: int) -> str:
        return "middle square"


@dataclass(frozen=True, slots=True)
class Resize:
    """Bring the ``shortest`` or ``longest`` side to ``to`` pixels, or ``both`` (aspect lost).

    Bytes are resized by Pillow, with antialiasing; floats by torch, with ``antialias`` or without,
    as torchvision does it to tensors. ``rounding`` of :data:`ROUNDINGS` is for ``longest``.
    """

    to: int = 0
    side: str = "shortest"
    filter: str = "bilinear"
    rounding: str = "nearest"
    antialias: bool = True

    def __post_init__(self) -> None:
        for what, value, known in (
            ("interpolation", self.filter, FILTERS),
            ("resize", self.side, SIDES),
            ("rounding", self.rounding, tuple(ROUNDINGS)),
        ):
            if value not in known:
                raise unknown(what, value, known)

    def __call__(self, image: Image | Values, size: int) -> Image | Values:
        target = self.target(*_sides(image), size)
        if isinstance(image, np.ndarray):
            return self._floats(image, target)
        if target == image.size:
            return image
        from PIL.Image import Resampling

        return image.resize(target, Resampling[self.filter.upper()])

    def target(self, width: int, height: int, size: int) -> tuple[int, int]:
        """Return the width and height that an image comes to have."""
        to = self.to or size
        if self.side == "both":
            return to, to
        if self.side == "longest":
            rounded, longest = ROUNDINGS[self.rounding], max(width, height)
            return max(rounded(width, to, longest), 1), max(rounded(height, to, longest), 1)
        if width <= height:
            return to, int(to * height / width)
        return int(to * width / height), to

    def _floats(self, image: Values, target: tuple[int, int]) -> Values:
        import torch

        values_CHW = torch.from_numpy(image).permute(2, 0, 1)
        small_CHW = torch.nn.functional.interpolate(
            values_CHW[None], target[::-1], mode=self.filter, antialias=self.antialias
        )[0]
        return small_CHW.permute(1, 2, 0).numpy()

    def describe(self, size: int) -> str:
        rounding = "" if self.rounding == "nearest" else f" rounded {self.rounding}"
        bare = "" if self.antialias else " without antialiasing"
        return f"{self.filter} {self.side} {self.to or size}{rounding}{bare}"


@dataclass(frozen=True, slots=True)
class Crop:
    """The middle ``to`` × ``to`` pixels; a smaller image is padded with ``fill`` first.

    An odd pixel too many is rounded to the ``nearest`` even place, as open_clip and torchvision do
    it, or ``down``, as transformers does.
    """

    to: int = 0
    fill: int = 0
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        if self.rounding not in CROP_ROUNDINGS:
            raise unknown("rounding", self.rounding, CROP_ROUNDINGS)

    def __call__(self, image: Image, size: int) -> Image:
        from PIL import ImageOps

        left, top, side = self.window(*image.size, size)
        if image.size == (side, side):
            return image
        across, down = max(side - image.width, 0), max(side - image.height, 0)
        if across or down:
            border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
            image = ImageOps.expand(image, border, _shade(self.fill, image))
            left, top = left + across // 2, top + down // 2
        return image.crop((left, top, left + side, top + side))

    def window(self, width: int, height: int, size: int) -> Window:
        side = self.to or size
        left, top = (self._start(length, side) for length in (width, height))
        return left, top, side

    def _start(self, length: int, side: int) -> int:
        if length < side:
            return -((side - length) // 2)
        return CROP_ROUNDINGS[self.rounding]((length - side) / 2.0)

    def describe(self, size: int) -> str:
        rounding = "" if self.rounding == "nearest" else f" rounded {self.rounding}"
        return f"centre {self.to or size}{rounding} (outside {self.fill})"


@dataclass(frozen=True, slots=True)
class Floats:
    """Three channels of float32, divided by ``divide``; grey becomes three equal channels."""

    divide: float = 255

    def __call__(self, image: Image, size: int) -> Values:
        values_HWC = np.asarray(image.convert("RGB"), dtype=np.float32)
        return values_HWC / np.float32(self.divide)

    def describe(self, size: int) -> str:
        return "RGB" if self.divide == 1 else f"RGB/{self.divide:g}"


@dataclass(frozen=True, slots=True)
class Normalise:
    """Subtract a mean and divide by a standard deviation, each for a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ModelError(f"preprocessing wants 3 means and 3 positive stds, not {self}")

    def __call__(self, values_HWC: Values, size: int) -> Values:
        mean_C, std_C = (np.asarray(values, np.float32) for values in (self.mean, self.std))
        return (values_HWC - mean_C) / std_C

    def describe(self, size: int) -> str:
        means, stds = (",".join(f"{x:g}" for x in values) for values in (self.mean, self.std))
        return f"mean {means}, std {stds}"


Operation = Grey | Stretch | Square | Middle | Resize | Crop | Floats | Normalise
OPERATIONS: dict[str, type[Operation]] = {
    kind.__name__.lower(): kind
    for kind in (Grey, Stretch, Square, Middle, Resize, Crop, Floats, Normalise)
}


def as_dict(operation: Operation) -> dict[str, Any]:
    """Return an operation as plain values for JSON."""
    return {"do": type(operation).__name__.lower(), **asdict(operation)}


def from_dict(values: dict[str, Any]) -> Operation:
    """Return the operation that plain values name; settings left out have their defaults.

    >>> from_dict({"do": "resize", "filter": "bicubic"}).describe(224)
    'bicubic shortest 224'
    """
    settings = dict(values)
    name = str(settings.pop("do", ""))
    if name not in OPERATIONS:
        raise unknown("image operation", name, OPERATIONS)
    try:
        return OPERATIONS[name](**settings)
    except TypeError as error:
        raise ModelError(f"image operation {name!r}: {error}") from error


def _sides(image: Image | Values) -> tuple[int, int]:
    return (image.shape[1], image.shape[0]) if isinstance(image, np.ndarray) else image.size


def _shade(fill: int, image: Image) -> int | tuple[int, int, int]:
    return fill if image.mode == "L" else (fill,) * 3
