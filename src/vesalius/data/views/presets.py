"""Presets: how strongly the views of a modality may differ."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from vesalius.core.errors import DataError, unknown

if TYPE_CHECKING:
    import torch

    from vesalius.data.views.draws import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What may happen to an image, in this order: crop, flip, turn, jitter, grey, blur.

    ``area`` and ``aspect`` bound the crop's share of the image and its width over its height
    (the default area keeps all of it). ``zoom`` and ``shift`` move the crop's frame instead: by a
    share of its size, and of half a side; what comes in from outside repeats the edge. ``turn`` is
    the largest angle, in degrees. With probability ``jitter`` an image's brightness, contrast and
    saturation are multiplied by a factor within 1 ± theirs and its hue is shifted by at most
    ``hue`` turns of the wheel, in random order. ``flip``, ``grey`` and ``blur`` are probabilities;
    the blur's standard deviation is within ``sigma`` pixels, its kernel a tenth of the side.

    Raises:
        DataError: a bound cannot be met.
    """

    area: tuple[float, float] = (1.0, 1.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    zoom: float = 0.0
    shift: float = 0.0
    flip: float = 0.0
    turn: float = 0.0
    jitter: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grey", "blur", "zoom", "shift"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} is {getattr(self, name)}, not within [0, 1]")
        for name in ("area", "aspect", "sigma"):
            low, high = getattr(self, name)
            if not 0 < low <= high or (name == "area" and high > 1):
                raise DataError(f"{name} is ({low}, {high}), not two rising numbers above 0")
        for name, most in (("turn", 180), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= most:
                raise DataError(f"{name} is {getattr(self, name)}, not within [0, {most}]")
        for name in ("brightness", "contrast", "saturation"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} is {getattr(self, name)}, below 0")
        if self.crops and (self.zoom or self.shift):
            raise DataError("a view either crops (area, aspect) or moves its frame (zoom, shift)")

    @property
    def crops(self) -> bool:
        return self.area != (1.0, 1.0) or self.aspect != (1.0, 1.0)

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Draws:
        """Return what happens to each of ``count`` images of ``size`` (height, width) pixels.

        ``generator`` lives on the CPU, so that every device and rank draws the same.
        """
        from vesalius.data.views.draws import draw
        from vesalius.data.views.threads import single_threaded_ops

        with single_threaded_ops():
            return draw(self, count, size, generator)

    def settings(self) -> dict[str, float | tuple[float, float]]:
        """Return the plain values, as a training's settings keep them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


THIRD = (3 / 4, 4 / 3)
PRESETS: dict[str, Preset] = {
    # Chen et al. 2020, appendix A, with strength 0.5 as for CIFAR
    "simclr": Preset(
        area=(0.08, 1.0),
        aspect=THIRD,
        flip=0.5,
        jitter=0.8,
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        grey=0.2,
        blur=0.5,
    ),
    # no flip: a heart lies on one side; findings may be small: no crop below a third
    "chest": Preset(
        area=(0.3, 1.0), aspect=THIRD, turn=10.0, jitter=0.8, brightness=0.4, contrast=0.4, blur=0.5
    ),
    # where left and right do not matter: ultrasound, tomograms of one organ
    "grey": Preset(
        area=(0.2, 1.0),
        aspect=THIRD,
        flip=0.5,
        turn=15.0,
        jitter=0.8,
        brightness=0.4,
        contrast=0.4,
        blur=0.5,
    ),
    # stained tissue and skin have no upright: any angle
    "pathology": Preset(
        area=(0.2, 1.0),
        aspect=THIRD,
        flip=0.5,
        turn=180.0,
        jitter=0.8,
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        grey=0.1,
        blur=0.5,
    ),
    "gentle": Preset(zoom=0.10, shift=0.08, turn=7.0, jitter=1.0, brightness=0.15, contrast=0.15),
}


def preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        ChoiceError: there is no such preset.

    >>> preset("chest").flip, preset("chest").hue
    (0.0, 0.0)
    """
    if name not in PRESETS:
        raise unknown("preset of views", name, list(PRESETS))
    return PRESETS[name]
