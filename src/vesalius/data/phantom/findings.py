"""The findings: what each adds to the film, and where exactly it lies.

Every function takes the film so far and returns it changed, with the finding's mask. Severity runs
from 0 (just seen) to 1. Legend: S side in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.data.phantom.anatomy import SIDES, Anatomy, Shapes
from vesalius.data.phantom.canvas import Canvas, smooth

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

NAMES = (
    "Cardiomegaly",
    "Pleural Effusion",
    "Consolidation",
    "Support Devices",
    "Atelectasis",
    "Edema",
    "Nodule",
    "Fracture",
    "Pneumothorax",
)
SEVERITIES = ("mild", "moderate", "severe")


@dataclass(frozen=True, slots=True)
class Lesion:
    """One finding of one study. ``sides`` is empty where a side makes no sense.

    ``severity`` is in [0, 1], ``place`` a share of the way down the lung, ``kind`` the sort of
    device, ``seed`` fixes its shape.
    """

    name: str
    severity: float
    sides: tuple[str, ...] = ()
    place: float = 0.5
    kind: str = ""
    seed: int = 0

    @property
    def degree(self) -> str:
        """The severity in a word: ``mild``, ``moderate`` or ``severe``."""
        return SEVERITIES[min(int(self.severity * 3), 2)]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a finding is drawn into."""

    anatomy: Anatomy
    canvas: Canvas
    seen: Shapes
    x: Float[np.ndarray, "S S"]
    y: Float[np.ndarray, "S S"]


Film = "Float[np.ndarray, 'S S']"
Drawn = "tuple[Float[np.ndarray, 'S S'], Bool[np.ndarray, 'S S']]"


def cardiomegaly(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """The heart is drawn large by the anatomy itself; its mask is the heart."""
    return film, scene.seen.heart > 0.5


def effusion(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Fluid rises from the costophrenic angle, higher at the side than in the middle."""
    mask = np.zeros(film.shape, dtype=bool)
    for side in lesion.sides:
        base = scene.anatomy.dome(side) + 0.085
        level = base - 0.055 - 0.30 * lesion.severity**1.2
        across = np.clip(np.abs(scene.x - 0.5) / scene.anatomy.width, 0, 1)
        surface = level + 0.075 * (1 - across**2.5)
        depth = np.clip((scene.y - surface) / 0.022 + 0.5, 0, 1)
        fluid = depth * scene.seen.lungs[side]
        film = film + fluid * np.clip(0.70 - film, 0.05, None)
        mask |= fluid > 0.5
    return film, mask


def pneumothorax(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Air between the chest wall and a lung that has drawn back: dark, without vessels."""
    side = lesion.sides[0]
    hilum = np.array(scene.anatomy.hilum(side))
    outline = scene.anatomy.lung(side)
    back = 0.10 + 0.42 * lesion.severity
    upper = np.clip((scene.anatomy.dome(side) + 0.02 - outline[:, 1]) / 0.5, 0.05, 1)[:, None]
    drawn_back = outline + (hilum - outline) * back * upper
    lung = scene.canvas.filled([drawn_back], blur=0.002)
    air = scene.seen.lungs[side] * (1 - lung)
    film = film - air * (0.055 + np.clip(film - 0.20, 0, 0.1))
    edge = [(np.concatenate([drawn_back, drawn_back[:1]]), 0.0065, 1.0)]
    film = film + 0.13 * scene.canvas.stroked(edge, blur=0.001) * scene.seen.lungs[side]
    return film, air > 0.5


def consolidation(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """A patchy opacity in one zone, through which air-filled bronchi show dark."""
    side = lesion.sides[0]
    size = 0.075 + 0.085 * lesion.severity
    cx, cy = _within(scene, side, lesion.place, reach=0.5)
    spread = ((scene.x - cx) / size) ** 2 + ((scene.y - cy) / (size * 1.05)) ** 2
    ragged = spread + 0.33 * scene.canvas.noise(rng, 9)
    blob = np.clip((1.05 - ragged) / 0.75, 0, 1) * scene.seen.lungs[side]
    film = film + blob * (0.13 + 0.15 * lesion.severity) * np.clip((0.78 - film) / 0.4, 0, 1)
    start, sign = np.array([cx, cy]), scene.anatomy.sign(side)
    bronchi = [
        (
            np.stack(
                [
                    start - [sign * 0.5 * size, 0.2 * size],
                    start + [sign * np.cos(a) * size * 0.7, np.sin(a) * size * 0.7],
                ]
            ),
            0.0055,
            1.0,
        )
        for a in rng.uniform(-1.2, 1.2, 3)
    ]
    film = film - 0.05 * scene.canvas.stroked(bronchi, blur=0.0015) * blob
    return film, blob > 0.4


def nodule(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """A round opacity of 4 to 12 % of a lung's width, or two."""
    mask = np.zeros(film.shape, dtype=bool)
    for number, side in enumerate(lesion.sides):
        radius = 0.016 + 0.026 * lesion.severity
        cx, cy = _within(scene, side, (lesion.place + 0.37 * number) % 1, reach=0.55)
        away = np.hypot(scene.x - cx, scene.y - cy) / radius
        ball = np.clip((1.1 - away) / 0.3, 0, 1)
        film = film + ball * (0.16 + 0.09 * lesion.severity)
        mask |= ball > 0.5
    return film, mask


def atelectasis(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Plates of collapsed lung above a raised half of the diaphragm; when severe, a wedge."""
    mask = np.zeros(film.shape, dtype=bool)
    for side in lesion.sides:
        sign, dome = scene.anatomy.sign(side), scene.anatomy.dome(side)
        lines = []
        for number in range(1 + (lesion.severity > 0.35) + (lesion.severity > 0.7)):
            y = dome - 0.045 - 0.055 * number - 0.01 * rng.random()
            inner, outer = 0.30 + 0.1 * rng.random(), 0.80 + 0.08 * rng.random()
            w, slope = scene.anatomy.width, rng.uniform(-0.02, 0.03)
            points = [(0.5 + sign * inner * w, y), (0.5 + sign * 0.5 * (inner + outer) * w, y - 0.012),
                      (0.5 + sign * outer * w, y + slope)]  # fmt: skip
            lines.append((smooth(points, closed=False), 0.014 + 0.008 * lesion.severity, 1.0))
        plates = scene.canvas.stroked(lines, blur=0.003) * scene.seen.lungs[side]
        film = film + 0.17 * plates
        mask |= plates > 0.4
        if lesion.severity > 0.6:
            wedge = [(0.5 + sign * 0.09, dome - 0.20), (0.5 + sign * 0.6 * scene.anatomy.width, dome + 0.03),
                     (0.5 + sign * 0.06, dome + 0.05)]  # fmt: skip
            part = scene.canvas.filled([wedge], blur=0.012) * scene.seen.lungs[side]
            film = film + 0.15 * part
            mask |= part > 0.4
    return film, mask


def edema(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Haze that spreads from the hila like wings, and short lines at the bases (Kerley B)."""
    mask = np.zeros(film.shape, dtype=bool)
    for side in SIDES:
        hx, hy = scene.anatomy.hilum(side)
        sign, w = scene.anatomy.sign(side), scene.anatomy.width
        middle = (hx + sign * 0.25 * w, hy + 0.05)
        away = ((scene.x - middle[0]) / (0.48 * w)) ** 2 + ((scene.y - middle[1]) / 0.19) ** 2
        haze = (
            np.exp(-(away**1.2)) * (1 + 0.22 * scene.canvas.noise(rng, 14)) * scene.seen.lungs[side]
        )
        film = film + (0.075 + 0.13 * lesion.severity) * haze
        film = film + (0.02 + 0.03 * lesion.severity) * scene.seen.lungs[side]
        base = scene.anatomy.dome(side) - 0.02
        kerley = [
            (
                [(0.5 + sign * (0.98 * w - 0.035), y), (0.5 + sign * (0.985 * w), y + 0.002)],
                0.0045,
                1.0,
            )
            for y in base - 0.021 * np.arange(2 + int(4 * lesion.severity))
        ]
        film = film + 0.10 * scene.canvas.stroked(kerley, blur=0.001) * scene.seen.lungs[side]
        mask |= haze > 0.35
    return film, mask


def fracture(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Ribs broken at the side: a gap, the outer part displaced, callus around."""
    side = lesion.sides[0]
    count = 1 + (lesion.severity > 0.3) + (lesion.severity > 0.65)
    first = 2 + int(lesion.place * 3.99)
    where, gaps, calluses, stumps = [], [], [], []
    for number in range(first, first + count):
        line = scene.anatomy.rib(side, number)
        at = line[5] * 0.6 + line[6] * 0.4
        along = (line[6] - line[5]) / np.hypot(*(line[6] - line[5]))
        across = np.array([-along[1], along[0]])
        gaps.append((np.stack([at - 0.02 * across, at + 0.02 * across]), 0.011, 1.0))
        calluses.append((*(at + 0.003 * across), 0.020 + 0.006 * lesion.severity, 1.0))
        stumps.append(
            (np.stack([at + 0.012 * across, at + 0.04 * along + 0.014 * across]), 0.016, 1.0)
        )
        where.append((*at, 0.036, 1.0))
    film = film + 0.13 * scene.canvas.dots(calluses, blur=0.006)
    film = film + 0.11 * scene.canvas.stroked(stumps, blur=0.001)
    film = film - 0.13 * scene.canvas.stroked(gaps, blur=0.001)
    return film, scene.canvas.dots(where) > 0.5


def devices(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """A pacemaker with its lead, a central line, a tracheal tube, or electrodes with wires."""
    apex = scene.anatomy.apex
    solid = np.zeros(film.shape, dtype=np.float32)
    if lesion.kind == "pacemaker":
        box = smooth(
            [(0.72, apex + 0.10), (0.80, apex + 0.09), (0.81, apex + 0.17), (0.73, apex + 0.18)],
            rounds=2,
        )
        lead = smooth([(0.74, apex + 0.12), (0.62, apex + 0.06), (0.53, apex + 0.12), (0.47, 0.42), (0.48, 0.60),
                       (0.60, scene.anatomy.dome("left") - 0.035)], closed=False)  # fmt: skip
        solid = np.maximum(scene.canvas.filled([box]), scene.canvas.stroked([(lead, 0.0065, 0.8)]))
    elif lesion.kind == "central venous line":
        line = smooth([(0.30, 0.05), (0.36, apex + 0.03), (0.44, apex + 0.10), (0.462, apex + 0.22), (0.466, 0.46)],
                      closed=False)  # fmt: skip
        solid = scene.canvas.stroked([(line, 0.0085, 0.65)])
    elif lesion.kind == "endotracheal tube":
        end = apex + 0.15
        rails = [([(0.5 + d, 0.0), (0.5 + d, end)], 0.005, 0.7) for d in (-0.011, 0.011)]
        solid = scene.canvas.stroked([*rails, ([(0.5, 0.0), (0.5, end)], 0.018, 0.35)])
    else:
        spots = [(0.27, 0.30), (0.74, 0.27), (0.30, 0.66), (0.76, 0.63)]
        spots = [(x + rng.normal(0, 0.02), y + rng.normal(0, 0.02)) for x, y in spots]
        wires = [(smooth([spot, (0.5 * (spot[0] + 0.5), 0.85 * spot[1] + 0.12), (0.52, 0.99)], closed=False), 0.0055, 0.55)
                 for spot in spots]  # fmt: skip
        discs = scene.canvas.dots([(x, y, 0.017, 0.8) for x, y in spots])
        solid = np.maximum(discs, scene.canvas.stroked(wires))
    return film + solid * np.clip(0.95 - film, 0.1, None), solid > 0.25


FINDINGS: dict[str, Callable[..., Drawn]] = {
    "Cardiomegaly": cardiomegaly,
    "Pleural Effusion": effusion,
    "Consolidation": consolidation,
    "Support Devices": devices,
    "Atelectasis": atelectasis,
    "Edema": edema,
    "Nodule": nodule,
    "Fracture": fracture,
    "Pneumothorax": pneumothorax,
}
DEVICES = ("pacemaker", "central venous line", "endotracheal tube", "monitoring electrodes")
# In the order of drawing: air and fluid lie over what is within the lung.
ORDER = ("Edema", "Consolidation", "Atelectasis", "Nodule", "Pneumothorax", "Pleural Effusion",
         "Fracture", "Support Devices", "Cardiomegaly")  # fmt: skip


def _within(scene: Scene, side: str, place: float, *, reach: float) -> tuple[float, float]:
    """Return a point of a lung: ``place`` of the way down, ``reach`` of the way out."""
    top, base = scene.anatomy.apex + 0.09, scene.anatomy.dome(side) - 0.05
    y = top + place * (base - top)
    out = 0.09 + reach * (scene.anatomy.width * (0.62 + 0.33 * place) - 0.09)
    return 0.5 + scene.anatomy.sign(side) * out, y
