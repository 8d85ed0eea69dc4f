"""The findings: what each adds to the film, and where exactly it lies.

Every function takes the film so far and returns it changed, with the finding's mask. Severity runs
from 0 (just seen) to 1. Legend: S side in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesalius.data.phantom.anatomy import MIDDLE, SIDES, Scene
from vesalius.data.phantom.canvas import Stroke, smooth

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Film = Float[np.ndarray, "S S"]
    Layer = Float[np.ndarray, "S S"]
    Drawn = tuple[Film, Bool[np.ndarray, "S S"]]

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
    device.
    """

    name: str
    severity: float
    sides: tuple[str, ...] = ()
    place: float = 0.5
    kind: str = ""

    @property
    def degree(self) -> str:
        """The severity in a word: ``mild``, ``moderate`` or ``severe``."""
        return SEVERITIES[min(int(self.severity * 3), 2)]


def cardiomegaly(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """The heart is drawn large by the anatomy itself; its mask is the heart."""
    return film, scene.heart > 0.5


def effusion(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Fluid rises from the costophrenic angle, higher at the side than in the middle."""
    mask = np.zeros(film.shape, dtype=bool)
    for side in lesion.sides:
        base = scene.anatomy.dome(side) + 0.085
        level = base - 0.055 - 0.30 * lesion.severity**1.2
        across = np.clip(np.abs(scene.x - MIDDLE) / scene.anatomy.width, 0, 1)
        surface = level + 0.075 * (1 - across**2.5)
        fluid = np.clip((scene.y - surface) / 0.022 + 0.5, 0, 1) * scene.lungs[side]
        film = film + fluid * np.clip(0.70 - film, 0.05, None)
        mask = mask | (fluid > 0.5)
    return film, mask


def pneumothorax(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Air between the chest wall and a lung that has drawn back: dark, without vessels.

    The pleura is a fine line along the apex and the side of the lung, not where it lies on the
    mediastinum or the diaphragm.
    """
    side = lesion.sides[0]
    hilum = np.array(scene.anatomy.hilum(side))
    outline = scene.anatomy.lung(side)
    back = 0.14 + 0.42 * lesion.severity
    upper = np.clip((scene.anatomy.dome(side) + 0.02 - outline[:, 1]) / 0.5, 0.05, 1)[:, None]
    drawn_back = outline + (hilum - outline) * back * upper
    air = scene.lungs[side] * (1 - scene.canvas.filled([drawn_back]))
    film = film - air * (0.075 + np.clip(film - 0.18, 0, 0.12))
    apex, base = len(outline) // 12, int(len(outline) * 0.46)  # of the outline's points
    edge = Stroke(drawn_back[apex:base], 0.005)
    film = film + 0.10 * scene.canvas.stroked([edge]) * scene.lungs[side]
    return film, air > 0.5


def consolidation(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Patches that run together in one zone; air-filled bronchi show dark within them."""
    side = lesion.sides[0]
    size = 0.075 + 0.075 * lesion.severity
    cx, cy = _within(scene, side, lesion.place, reach=0.5)
    patches = np.zeros_like(film)
    for _ in range(6):
        dx, dy = rng.normal(0, 0.55 * size, 2)
        reach = size * rng.uniform(0.45, 0.8)
        patches += rng.uniform(0.5, 1) * scene.canvas.glow(cx + dx, cy + dy, reach, 0.85 * reach)
    ragged = patches * (1 + 0.30 * scene.canvas.noise(rng, 16))
    opaque = np.clip((ragged - 0.45) / 0.75, 0, 1) * scene.lungs[side]
    film = film + opaque * (0.20 + 0.12 * lesion.severity) * np.clip((0.80 - film) / 0.4, 0, 1)
    start, sign = np.array([cx, cy]), scene.anatomy.sign(side)
    bronchi = [
        Stroke([start - [sign * 0.5 * size, 0.2 * size], start,
                start + 0.7 * size * np.array([sign * np.cos(a), np.sin(a)])], 0.007, end=0.004)
        for a in rng.uniform(-1.2, 1.2, 3)
    ]  # fmt: skip
    return film - 0.06 * scene.canvas.stroked(bronchi) * opaque, opaque > 0.35


def nodule(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """A round opacity with a soft edge, 5 to 14 % of a lung's width across, or two."""
    mask = np.zeros(film.shape, dtype=bool)
    for number, side in enumerate(lesion.sides):
        radius = 0.019 + 0.027 * lesion.severity
        place = (lesion.place + 0.37 * number) % 1
        spots = [_within(scene, side, place, reach=reach) for reach in (0.55, 0.7, 0.85, 1.0)]
        cx, cy = max(spots, key=lambda spot: _free(scene, side, spot, radius))
        lobed = 1 + 0.10 * np.sin(3 * np.arctan2(scene.y - cy, scene.x - cx) + rng.uniform(0, 6))
        away = np.hypot(scene.x - cx, scene.y - cy) / (radius * lobed)
        ball = np.clip((1.25 - away) / 0.5, 0, 1)
        film = film + ball * (0.20 + 0.08 * lesion.severity) * np.clip((0.85 - film) / 0.4, 0, 1)
        mask = mask | (ball > 0.5)
    return film, mask


def atelectasis(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Plates of collapsed lung above a raised half of the diaphragm; when severe, a wedge."""
    mask = np.zeros(film.shape, dtype=bool)
    for side in lesion.sides:
        sign, dome = scene.anatomy.sign(side), scene.anatomy.dome(side)
        w, plates = scene.anatomy.width, []
        for number in range(1 + (lesion.severity > 0.35) + (lesion.severity > 0.7)):
            y = dome - 0.045 - 0.050 * number - 0.02 * rng.random()
            inner, outer = 0.28 + 0.15 * rng.random(), 0.66 + 0.22 * rng.random()
            slope, bow = rng.uniform(-0.025, 0.035), rng.uniform(0.006, 0.018)
            t = np.linspace(0, 1, 9)
            across = MIDDLE + sign * w * (inner + (outer - inner) * t)
            line = np.stack([across, y + slope * t - bow * 4 * t * (1 - t)], axis=1)
            wide = (0.008 + 0.007 * lesion.severity) * rng.uniform(0.8, 1.2)
            plates.append(Stroke(line, wide, rng.uniform(0.75, 1), end=0.5 * wide))
        opaque = scene.canvas.stroked(plates, blur=0.002) * scene.lungs[side]
        film = film + 0.22 * opaque
        mask = mask | (opaque > 0.35)
        haze = scene.canvas.glow(MIDDLE + sign * 0.5 * w, dome, 0.30 * w, 0.04) * scene.lungs[side]
        film = film + (0.03 + 0.06 * lesion.severity) * haze
        if lesion.severity > 0.6:
            wedge = [(MIDDLE + sign * 0.09, dome - 0.20), (MIDDLE + sign * 0.6 * w, dome + 0.03),
                     (MIDDLE + sign * 0.06, dome + 0.05)]  # fmt: skip
            part = scene.canvas.filled([wedge], blur=0.012) * scene.lungs[side]
            film = film + 0.15 * part
            mask = mask | (part > 0.4)
    return film, mask


def edema(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Haze that spreads from the hila like wings, and short lines at the bases (Kerley B)."""
    mask = np.zeros(film.shape, dtype=bool)
    w, texture = scene.anatomy.width, 1 + 0.25 * scene.canvas.noise(rng, 14)
    for side in SIDES:
        hx, hy = scene.anatomy.hilum(side)
        sign, lung = scene.anatomy.sign(side), scene.lungs[side]
        haze = scene.canvas.glow(hx + sign * 0.25 * w, hy + 0.05, 0.32 * w, 0.125) * texture * lung
        film = film + (0.085 + 0.13 * lesion.severity) * haze
        film = film + (0.02 + 0.03 * lesion.severity) * lung
        base = scene.anatomy.dome(side) - 0.02
        kerley = [
            Stroke([(MIDDLE + sign * (0.98 * w - 0.035), y), (MIDDLE + sign * 0.985 * w, y)], 0.004)
            for y in base - 0.021 * np.arange(2 + int(4 * lesion.severity))
        ]
        film = film + 0.10 * scene.canvas.stroked(kerley) * lung
        mask = mask | (haze > 0.4)
    return film, mask


def fracture(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """Ribs broken towards the side: a dark gap, a step of the outer part, callus, some blood."""
    side = lesion.sides[0]
    count = 1 + (lesion.severity > 0.3) + (lesion.severity > 0.65)
    first = 2 + int(lesion.place * 3.99)
    ribs = scene.anatomy.ribs(side)
    step = 0.013 + 0.008 * lesion.severity
    gaps, stumps, calluses, where = [], [], [], []
    for number in range(first, first + count):
        line = ribs[number]
        at = line[5]
        along = (line[6] - line[4]) / np.hypot(*(line[6] - line[4]))
        across = np.array([-along[1], along[0]]) * np.sign(along[0])  # downwards
        gaps.append(Stroke([at - 0.020 * across, at + 0.020 * across], 0.013))
        outer = np.stack([at + 0.012 * along, line[6], line[7]]) + step * across
        stumps.append(Stroke(outer, 0.024, 1.0))
        stumps.append(Stroke(outer - 0.011 * across, 0.006, 1.0))
        calluses.append((*(at + 0.5 * step * across), 0.026, 1.0))
        where.append((*(at + 0.02 * along + 0.5 * step * across), 0.042, 1.0))
        blood = scene.canvas.glow(float(line[-2, 0]), float(line[-2, 1]), 0.016, 0.034)
        film = film + (0.06 + 0.08 * lesion.severity) * blood * scene.lungs[side]
    film = film + (0.03 + 0.05 * lesion.severity) * scene.canvas.dots(calluses, blur=0.008)
    film = film + 0.11 * scene.canvas.stroked(stumps, blur=0.0015)
    film = film - 0.15 * scene.canvas.stroked(gaps)
    return film, scene.canvas.dots(where) > 0.5


def devices(film: Film, scene: Scene, lesion: Lesion, rng: np.random.Generator) -> Drawn:
    """A pacemaker with its lead, a central line, a tracheal tube, or electrodes with wires."""
    solid = DEVICES[lesion.kind](scene, rng)
    return film + solid * np.clip(0.95 - film, 0.1, None), solid > 0.25


def _pacemaker(scene: Scene, rng: np.random.Generator) -> Layer:
    """A rounded can under the left clavicle, its header, and a lead into the right ventricle."""
    top = scene.anatomy.apex + 0.09
    can = [(0.715, top + 0.035), (0.725, top + 0.012), (0.80, top), (0.825, top + 0.022),
           (0.83, top + 0.075), (0.815, top + 0.095), (0.74, top + 0.105),
           (0.72, top + 0.085)]  # fmt: skip
    header = [(0.73, top + 0.012), (0.735, top - 0.008), (0.785, top - 0.016), (0.79, top + 0.003)]
    lead = smooth([(0.74, top), (0.66, top - 0.035), (0.57, top - 0.015), (0.51, top + 0.06),
                   (0.468, 0.42), (0.475, 0.56), (0.53, scene.anatomy.dome("left") - 0.045),
                   (0.60, scene.anatomy.dome("left") - 0.03)], closed=False)  # fmt: skip
    solid = np.maximum(
        scene.canvas.filled([smooth(can, rounds=2)], strength=0.9),
        scene.canvas.filled([header], strength=0.6),
    )
    return np.maximum(solid, scene.canvas.stroked([Stroke(lead, 0.0065, 0.8)]))


def _central_line(scene: Scene, rng: np.random.Generator) -> Layer:
    """A thin tube from the right jugular vein to the right atrium."""
    apex = scene.anatomy.apex
    line = smooth([(0.385, 0.02), (0.395, apex), (0.43, apex + 0.09), (0.46, apex + 0.20),
                   (0.466, 0.46)], closed=False)  # fmt: skip
    return scene.canvas.stroked([Stroke(line, 0.0085, 0.65)])


def _tracheal_tube(scene: Scene, rng: np.random.Generator) -> Layer:
    """Two walls and what lies between, ending above the carina."""
    end = scene.anatomy.apex + 0.15
    walls = [Stroke([(0.5 + d, 0.0), (0.5 + d, end)], 0.005, 0.7) for d in (-0.011, 0.011)]
    return scene.canvas.stroked([Stroke([(0.5, 0.0), (0.5, end)], 0.018, 0.35), *walls])


def _electrodes(scene: Scene, rng: np.random.Generator) -> Layer:
    """Four discs on the skin, their wires gathered below."""
    spots = np.array([(0.27, 0.30), (0.74, 0.27), (0.30, 0.66), (0.76, 0.63)])
    spots = spots + rng.normal(0, 0.02, spots.shape)
    wires = [
        Stroke(smooth([(x, y), (0.5 * x + 0.25, 0.85 * y + 0.12), (0.52, 0.99)], closed=False),
               0.0035, 0.5)
        for x, y in spots
    ]  # fmt: skip
    discs = scene.canvas.dots([(x, y, 0.016, 0.85) for x, y in spots])
    return np.maximum(discs, scene.canvas.stroked(wires))


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
DEVICES: dict[str, Callable[[Scene, np.random.Generator], Layer]] = {
    "pacemaker": _pacemaker,
    "central venous line": _central_line,
    "endotracheal tube": _tracheal_tube,
    "monitoring electrodes": _electrodes,
}
# In the order of drawing: air and fluid lie over what is within the lung.
ORDER = ("Edema", "Consolidation", "Atelectasis", "Nodule", "Pneumothorax", "Pleural Effusion",
         "Fracture", "Support Devices", "Cardiomegaly")  # fmt: skip


def _free(scene: Scene, side: str, spot: tuple[float, float], radius: float) -> float:
    """Return how much of a disc lies over lung that neither heart nor mediastinum hides."""
    disc = scene.canvas.dots([(*spot, radius, 1.0)])
    return round(float((disc * scene.lungs[side]).sum() / disc.sum()), 1)


def _within(scene: Scene, side: str, place: float, *, reach: float) -> tuple[float, float]:
    """Return a point of a lung: ``place`` of the way down, ``reach`` of the way out."""
    top, base = scene.anatomy.apex + 0.09, scene.anatomy.dome(side) - 0.05
    y = top + place * (base - top)
    out = 0.09 + reach * (scene.anatomy.width * (0.62 + 0.33 * place) - 0.09)
    return MIDDLE + scene.anatomy.sign(side) * out, y
