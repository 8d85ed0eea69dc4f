"""From densities to a film: the body's layers, the exposure, the scanner's look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from vesalius.data.phantom.anatomy import RIBS, SIDES, Anatomy, Shapes
from vesalius.data.phantom.canvas import Canvas

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8


@dataclass(frozen=True, slots=True)
class Site:
    """The look of one scanner: contrast, brightness, sharpening, grain, vignette, border."""

    name: str
    contrast: float
    brightness: float
    gamma: float
    sharpen: float
    grain: float
    vignette: float
    border: float


SITES = (
    Site("A", contrast=1.05, brightness=0.00, gamma=1.00, sharpen=0.6, grain=0.016, vignette=0.00,
         border=0.02),
    Site("B", contrast=0.80, brightness=0.08, gamma=0.85, sharpen=0.0, grain=0.034, vignette=0.12,
         border=0.00),
    Site("C", contrast=1.20, brightness=-0.07, gamma=1.20, sharpen=1.1, grain=0.022, vignette=0.05,
         border=0.05),
)  # fmt: skip


def body(
    anatomy: Anatomy, canvas: Canvas, seen: Shapes, vessels: Float[np.ndarray, "S S"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "S S"]:  # fmt: skip
    """Return the brightness of a normal chest, 0 (air) to about 1."""
    x, y = canvas.grid()
    off = np.abs(x - 0.5)
    flank = anatomy.width + 0.05 + 0.05 * anatomy.fat
    arm = np.clip((0.42 - y) / 0.22, 0, 1)
    neck = np.clip(off - 0.105, 0, 1)
    top = 0.30 * neck + 0.9 * np.clip(neck - 0.16, 0, 1) ** 2 - 0.02 * anatomy.fat
    inside = _step((flank + 0.3 * arm**1.5 - off) / 0.012) * _step((y - top) / 0.014)
    density = 0.47 + 0.07 * anatomy.fat + 0.13 * np.clip((y - 0.68) / 0.16, 0, 1)
    density -= 0.10 * np.clip((off - 0.36) / 0.14, 0, 1)
    density += 0.12 * _step((0.075 - off) / 0.045)
    film = inside * density
    lungs = seen.lungs["right"] + seen.lungs["left"]
    whole = np.maximum(seen.whole["right"], seen.whole["left"])
    depth = 0.27 + 0.05 * np.exp(-(((off - 0.24) / 0.10) ** 2)) - 0.05 * anatomy.fat
    film -= lungs * (depth + 0.04 * np.clip((0.42 - y) / 0.3, 0, 1))
    film += canvas.blurred(seen.heart, 0.006) * (0.09 + 0.04 * np.clip((y - 0.5) / 0.3, 0, 1))
    film += lungs * (
        0.075 * vessels + 0.010 * canvas.noise(rng, 22) + 0.006 * canvas.noise(rng, 60)
    )
    film += 0.018 * inside * canvas.noise(rng, 5)
    for side in SIDES:
        hx, hy = anatomy.hilum(side)
        film += 0.085 * np.exp(-(((x - hx) / 0.040) ** 2) - ((y - hy) / 0.062) ** 2)
    film += inside * _bones(anatomy, canvas, lungs, y, off)
    film -= 0.065 * canvas.stroked(
        [([(0.5, 0.03), (0.497, anatomy.apex + 0.2)], 0.032, 1.0),
         ([(0.5, anatomy.apex + 0.2), (0.455, anatomy.apex + 0.27)], 0.016, 0.6),
         ([(0.5, anatomy.apex + 0.2), (0.555, anatomy.apex + 0.275)], 0.015, 0.6)],
        blur=0.006,
    )  # fmt: skip
    bubble = (0.5 + 0.17, anatomy.dome("left") + 0.07)
    film -= 0.12 * canvas.dots(
        [(*bubble, 0.034, 1.0), (bubble[0] + 0.035, bubble[1] + 0.01, 0.026, 1.0)], blur=0.010
    )
    if anatomy.female:
        for side in SIDES:
            middle = 0.5 + anatomy.sign(side) * anatomy.width * 0.62
            bust = ((x - middle) / 0.175) ** 2 + ((y - 0.58) / 0.185) ** 2
            lower = np.clip((y - 0.45) / 0.25, 0, 1)
            film += (0.035 + 0.05 * anatomy.fat) * _step((1 - bust) / 0.12) * lower * inside
    return film


def _bones(
    anatomy: Anatomy, canvas: Canvas, lungs: Float[np.ndarray, "S S"],
    y: Float[np.ndarray, "S S"], off: Float[np.ndarray, "S S"],
) -> Float[np.ndarray, "S S"]:  # fmt: skip
    """Return what ribs, clavicles, shoulder blades and spine add."""
    broad, rims, fronts = [], [], []
    for side in SIDES:
        for number in range(RIBS):
            line = anatomy.rib(side, number)
            wide = 0.0215 + 0.0012 * number
            broad.append((line, wide, 0.75))
            rims += [(line + [0, wide / 2], 0.0042, 1.0), (line - [0, wide / 2], 0.0035, 0.8)]
            if 1 <= number < RIBS - 1:
                fronts.append((anatomy.rib_front(side, number), 0.023, 0.55))
    ribs = 0.035 * canvas.stroked(broad, blur=0.002) + 0.036 * canvas.stroked(rims, blur=0.0015)
    ribs += 0.028 * canvas.stroked(fronts, blur=0.003)
    collar, blades = [], []
    for side in SIDES:
        line, sign = anatomy.clavicle(side), anatomy.sign(side)
        collar += [
            (line, 0.030, 0.7),
            (line - [0, 0.013], 0.005, 1.0),
            (line + [0, 0.013], 0.005, 1.0),
        ]
        edge = [(0.33, anatomy.apex + 0.05), (0.30, anatomy.apex + 0.17), (0.335, anatomy.apex + 0.33),
                (0.40, anatomy.apex + 0.15)]  # fmt: skip
        blades.append([(0.5 + sign * a, b) for a, b in edge])
    bones = ribs * (0.55 + 0.45 * lungs)
    bones += 0.085 * canvas.stroked(collar, blur=0.0015)
    bones += 0.045 * canvas.filled(blades, blur=0.003)
    heads = [(0.5 + anatomy.sign(s) * 0.44, anatomy.apex + 0.035, 0.055, 1.0) for s in SIDES]
    bones += 0.07 * canvas.dots(heads, blur=0.004)
    discs = 0.5 + 0.5 * np.cos(2 * np.pi * (y / 0.047))
    bones += _step((0.034 - off) / 0.006) * (0.035 + 0.03 * discs)
    return bones


def expose(
    film: Float[np.ndarray, "S S"], site: Site, canvas: Canvas, rng: np.random.Generator
) -> UInt8[np.ndarray, "S S"]:
    """Return the film as a scanner of a site shows it: uint8."""
    side = canvas.side
    values = np.clip(film * rng.uniform(0.94, 1.07), 0, 1.3) ** np.float32(site.gamma)
    values = (values - 0.40) * (2.3 * site.contrast) + (site.brightness + rng.normal(0, 0.05))
    values = 0.5 + 0.5 * np.tanh(values)  # the shoulder and toe of a film
    if site.vignette:
        centres = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
        values -= site.vignette * 2 * (centres[:, None] ** 2 + centres[None, :] ** 2)
    grain = rng.standard_normal((side, side), dtype=np.float32)
    values += np.float32(site.grain) * grain * np.sqrt(np.clip(values, 0.05, 1))
    image = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    if site.sharpen:
        radius = max(side / 110, 0.8)
        image = image.filter(ImageFilter.UnsharpMask(radius, round(100 * site.sharpen), 0))
    pixels = np.array(image)
    rim = round(side * site.border * rng.uniform(0.2, 1.0))
    if rim:
        pixels[:rim], pixels[-rim:], pixels[:, :rim], pixels[:, -rim:] = 3, 3, 3, 3
    return pixels


def _step(values: Float[np.ndarray, "S S"]) -> Float[np.ndarray, "S S"]:
    """Return a smooth step from 0 to 1 around 0."""
    t = np.clip(0.5 + 0.5 * values, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
