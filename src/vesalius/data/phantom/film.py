"""From densities to a film: the body's layers, the exposure, the scanner's look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from vesalius.data.phantom.anatomy import MIDDLE, RIBS, SIDES, Anatomy, Scene
from vesalius.data.phantom.canvas import Canvas, Stroke

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

    Film = Float[np.ndarray, "S S"]

BRIGHTEST, LEVELS = 1.4, 8192  # of the film's response curve
BLADE = ((0.33, 0.05), (0.30, 0.17), (0.335, 0.33), (0.40, 0.15))  # of the shoulder


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


def body(scene: Scene, vessels: Float[np.ndarray, "S S"], rng: np.random.Generator) -> Film:
    """Return the brightness of a normal chest, 0 (air) to about 1."""
    anatomy, canvas = scene.anatomy, scene.canvas
    coarse_x, coarse_y = canvas.grid(every=2)  # what is smooth is computed on a quarter
    inside_ss = _outline(anatomy, np.abs(coarse_x - MIDDLE), coarse_y)
    tissue_ss, air_ss = _densities(anatomy, coarse_x, coarse_y)
    inside, air = canvas.enlarged(inside_ss), canvas.enlarged(air_ss)
    lungs = scene.lungs["right"] + scene.lungs["left"]
    film = canvas.enlarged(inside_ss * (tissue_ss + 0.018 * canvas.noise(rng, 5, every=2)))
    film += inside * _bones(scene, lungs)
    film += lungs * (0.085 * vessels + 0.011 * canvas.noise(rng, 24) - air)
    film += scene.heart * (0.055 + 0.05 * np.clip((scene.y[:, :1] - 0.48) / 0.3, 0, 1))
    for side in SIDES:
        film += 0.080 * canvas.glow(*anatomy.hilum(side), 0.028, 0.044)
    return film - _airways(anatomy, canvas)


def _outline(
    anatomy: Anatomy, off: Float[np.ndarray, "s s"], y: Float[np.ndarray, "s s"]
) -> Float[np.ndarray, "s s"]:
    """Return 1 within the body: the flanks, the slope of the shoulders, the neck."""
    flank = anatomy.width + 0.05 + 0.05 * anatomy.fat
    arm = np.clip((0.42 - y) / 0.22, 0, 1)
    neck = np.clip(off - 0.105, 0, 1)
    top = 0.30 * neck + 0.9 * np.clip(neck - 0.16, 0, 1) ** 2 - 0.02 * anatomy.fat
    return _step((flank + 0.3 * arm**1.5 - off) / 0.012) * _step((y - top) / 0.014)


def _densities(
    anatomy: Anatomy, x: Float[np.ndarray, "s s"], y: Float[np.ndarray, "s s"]
) -> tuple[Float[np.ndarray, "s s"], Float[np.ndarray, "s s"]]:
    """Return how bright the soft tissue is, and how much of that the lungs' air takes away."""
    off = np.abs(x - MIDDLE)
    tissue = 0.47 + 0.07 * anatomy.fat + 0.13 * np.clip((y - 0.68) / 0.16, 0, 1)
    tissue -= 0.10 * np.clip((off - 0.36) / 0.14, 0, 1)
    tissue += 0.12 * _step((0.075 - off) / 0.045)
    if anatomy.female:
        lower = (0.035 + 0.05 * anatomy.fat) * np.clip((y - 0.45) / 0.25, 0, 1)
        bust = ((off - anatomy.width * 0.62) / 0.175) ** 2 + ((y - 0.58) / 0.185) ** 2
        tissue += lower * _step((1 - bust) / 0.12)
    air = 0.27 + 0.05 * np.exp(-(((off - 0.24) / 0.10) ** 2)) - 0.05 * anatomy.fat
    return tissue, air + 0.04 * np.clip((0.42 - y) / 0.3, 0, 1)


def _airways(anatomy: Anatomy, canvas: Canvas) -> Float[np.ndarray, "S S"]:
    """Return what the trachea, the main bronchi and the stomach's bubble of air take away."""
    fork = (MIDDLE, anatomy.apex + 0.2)
    tubes = canvas.stroked(
        [Stroke([(0.5, 0.03), (0.498, anatomy.apex + 0.1), fork], 0.032),
         Stroke([fork, (0.455, anatomy.apex + 0.27)], 0.016, 0.6),
         Stroke([fork, (0.555, anatomy.apex + 0.275)], 0.015, 0.6)],
        blur=0.006,
    )  # fmt: skip
    bubble = canvas.glow(MIDDLE + 0.185, anatomy.dome("left") + 0.075, 0.036, 0.022)
    return 0.065 * tubes + 0.13 * bubble


def _bones(scene: Scene, lungs: Film) -> Film:
    """Return what ribs, clavicles, shoulder blades and spine add."""
    anatomy, canvas = scene.anatomy, scene.canvas
    ribs = np.concatenate([anatomy.ribs(side) for side in SIDES])
    fronts = np.concatenate([anatomy.rib_fronts(side)[1:-1] for side in SIDES])
    wide_K = np.tile(0.0215 + 0.0012 * np.arange(RIBS), len(SIDES))
    half_K12 = np.stack([np.zeros_like(wide_K), wide_K / 2], axis=1)[:, None]
    ones_K = np.ones(len(ribs))
    backs = canvas.curves(
        np.concatenate([ribs, ribs + half_K12, ribs - half_K12]),
        np.concatenate([wide_K, 0.0042 * ones_K, 0.0035 * ones_K]),
        np.concatenate([0.55 * ones_K, ones_K, 0.85 * ones_K]),
        blur=0.0015,
    )
    before = canvas.curves(fronts, np.full(len(fronts), 0.023), np.ones(len(fronts)))
    bones = (0.078 * backs + 0.030 * before) * (0.55 + 0.45 * lungs)
    collar, blades = [], []
    for side in SIDES:
        sign, line = anatomy.sign(side), anatomy.clavicle(side)
        collar += [Stroke(line, 0.026, 0.65, end=0.034), Stroke(line - [0, 0.013], 0.005, 1.0),
                   Stroke(line + [0, 0.014], 0.005, 1.0)]  # fmt: skip
        blades.append([(MIDDLE + sign * a, anatomy.apex + b) for a, b in BLADE])
    bones += 0.085 * canvas.stroked(collar, blur=0.0015)
    bones += 0.05 * canvas.filled(blades, blur=0.005)
    for side in SIDES:
        head = MIDDLE + anatomy.sign(side) * 0.44
        bones += 0.09 * canvas.glow(head, anatomy.apex + 0.035, 0.034, 0.034)
    spine = _step((0.034 - np.abs(scene.x - MIDDLE)) / 0.006)
    discs = 0.5 + 0.5 * np.cos(2 * np.pi / 0.047 * scene.y[:, :1])
    return bones + spine * (0.035 + 0.03 * discs)


def expose(
    film: Float[np.ndarray, "S S"], site: Site, canvas: Canvas, rng: np.random.Generator
) -> UInt8[np.ndarray, "S S"]:
    """Return the film as a scanner of a site shows it: uint8."""
    side = canvas.side
    dark = np.linspace(0, BRIGHTEST, LEVELS, dtype=np.float32)
    curve = np.clip(dark * rng.uniform(0.94, 1.07), 0, 1.3) ** site.gamma
    curve = (curve - 0.40) * (2.3 * site.contrast) + (site.brightness + rng.normal(0, 0.05))
    curve = (0.5 + 0.5 * np.tanh(curve)).astype(np.float32)  # the shoulder and toe of a film
    values = curve[(np.clip(film, 0, BRIGHTEST) * ((LEVELS - 1) / BRIGHTEST)).astype(np.uint16)]
    if site.vignette:
        centres = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
        values -= site.vignette * 2 * (centres[:, None] ** 2 + centres[None, :] ** 2)
    grain = rng.random((side, side), dtype=np.float32) - np.float32(0.5)
    values += np.float32(12**0.5 * site.grain) * grain * np.sqrt(np.clip(values, 0.05, 1))
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
