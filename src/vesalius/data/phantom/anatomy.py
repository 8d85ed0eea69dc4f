"""A normal chest: where everything lies, and how dense it is on the film.

Right and left are the patient's: his right lung lies on the image's left. Points are in unit
coordinates (see ``canvas``); brightness runs from 0 (air) to 1 (metal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vesalius.data.phantom.canvas import Canvas, smooth

if TYPE_CHECKING:
    from jaxtyping import Float

SIDES = ("right", "left")
RIBS = 9
MIDDLE = 0.5
TRUNKS = 8  # vessels that leave a hilum
FORKS = 4


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One patient's chest on one film. Lengths are shares of the film's side."""

    width: float = 0.37  # half the inner width of the thorax at its base
    apex: float = 0.13
    domes: tuple[float, float] = (0.70, 0.725)  # tops of the right and left half of the diaphragm
    heart_share: float = 0.45  # cardiothoracic ratio
    heart_tilt: float = 0.55
    fat: float = 0.4
    female: bool = False
    age: int = 55
    slant: float = 0.05  # how steeply the ribs fall

    def sign(self, side: str) -> float:
        """Return the direction of a side on the image: −1 for the patient's right."""
        return -1.0 if side == "right" else 1.0

    def dome(self, side: str) -> float:
        return self.domes[SIDES.index(side)]

    def lung(self, side: str) -> Float[np.ndarray, "P 2"]:
        """Return the outline of a lung as if no heart lay before it."""
        sign, w, dome = self.sign(side), self.width, self.dome(side)
        top, base = self.apex, dome + 0.085
        out = [
            (0.060, top + 0.10), (0.080, top + 0.025), (0.138, top - 0.004), (0.205, top + 0.022),
            (0.72 * w, top + 0.105), (0.885 * w, top + 0.23), (0.97 * w, top + 0.39),
            (1.00 * w, dome - 0.06), (1.01 * w, base - 0.01), (0.955 * w, base + 0.005),
            (0.80 * w, dome + 0.028), (0.60 * w, dome), (0.40 * w, dome + 0.002),
            (0.22 * w, dome + 0.03), (0.055, dome + 0.05), (0.045, 0.5), (0.052, 0.38),
        ]  # fmt: skip
        return smooth([(MIDDLE + sign * x, y) for x, y in out])

    def heart(self) -> Float[np.ndarray, "P 2"]:
        """Return the heart's outline; its width is ``heart_share`` of the thorax."""
        wide = 2 * self.width * self.heart_share / 1.0873  # so much bulges the outline below
        base = float(np.mean(self.domes)) + 0.035
        tall = 0.155 + 0.30 * wide
        left, right = -0.33 * wide, 0.67 * wide
        tip = 0.06 * self.heart_tilt
        out = [
            (-0.05, base - tall), (0.035, base - 1.02 * tall), (0.085, base - 0.86 * tall),
            (0.45 * right + 0.04, base - 0.66 * tall), (0.86 * right, base - 0.40 * tall),
            (1.04 * right, base - 0.18 * tall), (1.05 * right, base + tip - 0.035),
            (0.84 * right, base + tip + 0.012), (0.25 * right, base + 0.045),
            (0.70 * left, base + 0.03), (1.00 * left, base - 0.05),
            (1.20 * left, base - 0.26 * tall), (1.12 * left, base - 0.50 * tall),
            (0.72 * left - 0.012, base - 0.72 * tall), (-0.058, base - 0.86 * tall),
        ]  # fmt: skip
        return smooth([(MIDDLE + x, y) for x, y in out])

    def mediastinum(self) -> Float[np.ndarray, "P 2"]:
        """Return the outline between the lungs, with the aortic knob on the patient's left."""
        knob = 0.075 + 0.02 * min(max(self.age - 40, 0), 45) / 45
        out = [
            (-0.045, 0.02), (0.045, 0.02), (0.05, self.apex + 0.10), (knob, self.apex + 0.17),
            (knob + 0.006, self.apex + 0.205), (0.062, self.apex + 0.235),
            (0.075, self.apex + 0.29), (0.06, 0.62), (0.05, 0.95), (-0.05, 0.95),
            (-0.055, 0.6), (-0.058, self.apex + 0.28),
            (-0.056, self.apex + 0.16), (-0.048, self.apex + 0.06),
        ]  # fmt: skip
        return smooth([(MIDDLE + x, y) for x, y in out])

    def hilum(self, side: str) -> tuple[float, float]:
        """Return where the vessels of a lung leave the mediastinum."""
        return MIDDLE + self.sign(side) * 0.085, 0.425 if side == "right" else 0.405

    def ribs(self, side: str) -> Float[np.ndarray, "K P 2"]:
        """Return the middle lines of the posterior parts of the ribs, from the spine outwards."""
        number_K1, t = np.arange(RIBS)[:, None], np.linspace(0, 1, 9)
        reach_K1 = self.width * np.minimum(0.60 + 0.115 * number_K1, 1.04)
        x_KP = 0.03 + (reach_K1 - 0.03) * np.sin(t * np.pi / 2) ** 0.9
        fall_K1 = self.slant + 0.010 * number_K1
        y_KP = self.apex - 0.015 + 0.072 * number_K1 - 0.02 * np.sin(np.pi * t)
        y_KP = y_KP + fall_K1 * t**1.6 + 0.07 * t**5
        return np.stack([MIDDLE + self.sign(side) * x_KP, y_KP], axis=-1)

    def rib_fronts(self, side: str) -> Float[np.ndarray, "K P 2"]:
        """Return the anterior parts of the ribs, from the side back down towards the sternum."""
        end_K12, t = self.ribs(side)[:, -1:], np.linspace(0, 1, 7)
        start_K1 = np.abs(end_K12[..., 0] - MIDDLE)
        x_KP = start_K1 - (start_K1 - 0.115 - 0.012 * np.arange(RIBS)[:, None]) * t**0.85
        y_KP = end_K12[..., 1] + 0.02 + 0.135 * t - 0.03 * t**2
        return np.stack([MIDDLE + self.sign(side) * x_KP, y_KP], axis=-1)

    def clavicle(self, side: str) -> Float[np.ndarray, "P 2"]:
        sign = self.sign(side)
        out = [(0.03, self.apex + 0.075), (0.10, self.apex + 0.052), (0.20, self.apex + 0.038),
               (0.30, self.apex - 0.005), (0.37, self.apex - 0.02)]  # fmt: skip
        return smooth([(MIDDLE + sign * x, y) for x, y in out], closed=False, rounds=2)


class Vessels(NamedTuple):
    """Branches as curves of three points, with the width at the start and a strength in [0, 1]."""

    curves_K32: Float[np.ndarray, "K 3 2"]
    widths_K: Float[np.ndarray, "K"]
    strengths_K: Float[np.ndarray, "K"]


def vessels(anatomy: Anatomy, rng: np.random.Generator, *, congestion: float = 0.0) -> Vessels:
    """Return the vessels of both lungs: they leave the hila, fork, bend and thin out.

    ``congestion`` widens those of the upper lung, as in heart failure.
    """
    angles, starts, signs, widths = [], [], [], []
    for side in SIDES:
        fan = np.linspace(-1.3, 1.35, TRUNKS) + rng.normal(0, 0.10, TRUNKS)
        up = fan < -0.1
        wide = np.where(up, 0.0080, 0.0112) * (1 + np.where(up, 1.1, 0.35) * congestion)
        angles.append(fan)
        starts.append(np.array(anatomy.hilum(side)) + np.outer(0.045 * np.sin(fan), [0, 1]))
        signs.append(np.full(TRUNKS, anatomy.sign(side)))
        widths.append(wide * rng.uniform(0.8, 1.2, TRUNKS))
    angle_K, start_K2 = np.concatenate(angles), np.concatenate(starts)
    sign_K, width_K = np.concatenate(signs), np.concatenate(widths)
    curves, all_widths, length = [], [], 0.085
    for _ in range(FORKS):
        length_K1 = length * rng.uniform(0.7, 1.3, (len(angle_K), 1))
        bend_K = angle_K + rng.normal(0, 0.22, len(angle_K))
        middle_K2 = start_K2 + 0.5 * length_K1 * _direction(bend_K, sign_K)
        end_K2 = middle_K2 + 0.5 * length_K1 * _direction(2 * angle_K - bend_K, sign_K)
        curves.append(np.stack([start_K2, middle_K2, end_K2], axis=1))
        all_widths.append(width_K)
        turn_K = rng.uniform(0.20, 0.50, len(angle_K))
        angle_K = np.concatenate([angle_K - turn_K, angle_K + 0.7 * turn_K])
        start_K2, sign_K = np.tile(end_K2, (2, 1)), np.tile(sign_K, 2)
        width_K = np.concatenate([0.62 * width_K, 0.72 * width_K])
        length *= 0.84
    widths_K = np.concatenate(all_widths)
    return Vessels(np.concatenate(curves), widths_K, np.minimum(0.12 + 75 * widths_K, 1.0))


def _direction(angle_K: Float[np.ndarray, "K"], sign_K: Float[np.ndarray, "K"]) -> Any:
    return np.stack([sign_K * np.cos(angle_K), np.sin(angle_K)], axis=1)


@dataclass(frozen=True, slots=True)
class Scene:
    """One chest on one canvas: what films and findings are drawn into.

    ``x`` and ``y`` are each pixel's place in the body; ``lungs`` (what is seen of each) and
    ``heart`` are in [0, 1] with a soft edge.
    """

    anatomy: Anatomy
    canvas: Canvas
    x: Float[np.ndarray, "S S"]
    y: Float[np.ndarray, "S S"]
    lungs: dict[str, Float[np.ndarray, "S S"]]
    heart: Float[np.ndarray, "S S"]


def scene_of(anatomy: Anatomy, canvas: Canvas) -> Scene:
    """Return the scene of a chest, lungs and heart outlined."""
    heart = canvas.filled([anatomy.heart()], blur=0.0075)
    free = (1 - heart) * (1 - canvas.filled([anatomy.mediastinum()], blur=0.005))
    lungs = {side: free * canvas.filled([anatomy.lung(side)], blur=0.0045) for side in SIDES}
    return Scene(anatomy, canvas, *canvas.grid(), lungs, heart)
