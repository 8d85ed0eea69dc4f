"""A normal chest: where everything lies, and how dense it is on the film.

Right and left are the patient's: his right lung lies on the image's left. Points are in unit
coordinates (see ``canvas``); brightness runs from 0 (air) to 1 (metal).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vesalius.data.phantom.canvas import Canvas, smooth

if TYPE_CHECKING:
    from jaxtyping import Float

SIDES = ("right", "left")
RIBS = 9


@dataclass(frozen=True)
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
    seed: int = 0

    @cached_property
    def middle(self) -> float:
        return 0.5

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
        return smooth([(self.middle + sign * x, y) for x, y in out])

    def heart(self) -> Float[np.ndarray, "P 2"]:
        """Return the heart's outline; its width is ``heart_share`` of the thorax."""
        wide = 2 * self.width * self.heart_share
        base = float(np.mean(self.domes)) + 0.035
        tall = 0.155 + 0.30 * wide
        left, right = -0.33 * wide, 0.67 * wide
        tip = 0.06 * self.heart_tilt
        out = [
            (-0.05, base - tall), (0.035, base - 1.02 * tall), (0.085, base - 0.86 * tall),
            (0.45 * right + 0.04, base - 0.66 * tall), (0.86 * right, base - 0.40 * tall),
            (1.05 * right, base - 0.16 * tall), (1.02 * right, base + tip - 0.01),
            (0.80 * right, base + tip + 0.02), (0.25 * right, base + 0.045),
            (0.75 * left, base + 0.03), (1.05 * left, base - 0.06),
            (1.10 * left, base - 0.28 * tall), (0.92 * left, base - 0.55 * tall),
            (-0.06, base - 0.80 * tall),
        ]  # fmt: skip
        return smooth([(self.middle + x, y) for x, y in out])

    def mediastinum(self) -> Float[np.ndarray, "P 2"]:
        """Return the outline between the lungs, with the aortic knob on the patient's left."""
        knob = 0.075 + 0.02 * min(max(self.age - 40, 0), 45) / 45
        out = [
            (-0.045, 0.02), (0.045, 0.02), (0.05, self.apex + 0.10), (knob, self.apex + 0.17),
            (knob + 0.006, self.apex + 0.205), (0.062, self.apex + 0.235), (0.075, self.apex + 0.29),
            (0.06, 0.62), (0.05, 0.95), (-0.05, 0.95), (-0.055, 0.6), (-0.058, self.apex + 0.28),
            (-0.056, self.apex + 0.16), (-0.048, self.apex + 0.06),
        ]  # fmt: skip
        return smooth([(self.middle + x, y) for x, y in out])

    def hilum(self, side: str) -> tuple[float, float]:
        """Return where the vessels of a lung leave the mediastinum."""
        return self.middle + self.sign(side) * 0.085, 0.425 if side == "right" else 0.405

    def rib(self, side: str, number: int) -> Float[np.ndarray, "P 2"]:
        """Return the middle line of the posterior part of a rib, from the spine outwards."""
        sign, y = self.sign(side), self.apex - 0.015 + 0.072 * number
        reach = self.width * min(0.60 + 0.115 * number, 1.04)
        t = np.linspace(0, 1, 9)
        x = 0.03 + (reach - 0.03) * np.sin(t * np.pi / 2) ** 0.9
        fall = self.slant + 0.010 * number
        return np.stack(
            [self.middle + sign * x, y - 0.02 * np.sin(np.pi * t) + fall * t**1.6 + 0.07 * t**5],
            axis=1,
        )

    def rib_front(self, side: str, number: int) -> Float[np.ndarray, "P 2"]:
        """Return the anterior part of a rib, from the side back down towards the sternum."""
        sign, end = self.sign(side), self.rib(side, number)[-1]
        t = np.linspace(0, 1, 7)
        start = abs(end[0] - self.middle)
        x = start - (start - 0.115 - 0.012 * number) * t**0.85
        return np.stack([self.middle + sign * x, end[1] + 0.02 + 0.135 * t - 0.03 * t**2], axis=1)

    def clavicle(self, side: str) -> Float[np.ndarray, "P 2"]:
        sign = self.sign(side)
        out = [(0.03, self.apex + 0.075), (0.10, self.apex + 0.052), (0.20, self.apex + 0.038),
               (0.30, self.apex - 0.005), (0.37, self.apex - 0.02)]  # fmt: skip
        return smooth([(self.middle + sign * x, y) for x, y in out], closed=False, rounds=2)


def vessels(
    anatomy: Anatomy, side: str, rng: np.random.Generator, *, congestion: float = 0.0
) -> list[tuple[Float[np.ndarray, "P 2"], float, float]]:
    """Return the vessels of a lung as lines of (points, width, strength), thinner outwards.

    ``congestion`` widens those of the upper lung, as in heart failure.
    """
    start = np.array(anatomy.hilum(side))
    sign, lines = anatomy.sign(side), []
    for angle in np.linspace(-1.25, 1.25, 9) + rng.normal(0, 0.07, 9):
        up = angle < -0.1
        wide = (0.0105 if not up else 0.0075) * (1 + (1.1 if up else 0.35) * congestion)
        lines += _branch(start, angle, 0.085, wide, 4, sign, rng)
    return lines


def _branch(
    start: Float[np.ndarray, "2"], angle: float, length: float, width: float, order: int,
    sign: float, rng: np.random.Generator,
) -> list[tuple[Float[np.ndarray, "P 2"], float, float]]:  # fmt: skip
    bend = angle + rng.normal(0, 0.12)
    way = np.array([sign * np.cos(bend), np.sin(bend)])
    middle = start + 0.5 * length * way
    end = middle + 0.5 * length * np.array([sign * np.cos(angle), np.sin(angle)])
    lines = [(np.stack([start, middle, end]), width, min(0.12 + 75 * width, 1.0))]
    if order > 1:
        turn = rng.uniform(0.22, 0.42)
        for fork, share in ((-turn, 0.66), (turn * 0.8, 0.74)):
            lines += _branch(end, angle + fork, length * 0.86, width * share, order - 1, sign, rng)
    return lines


def at_study(anatomy: Anatomy, *, breath: float, raised: tuple[float, float]) -> Anatomy:
    """Return the chest at another depth of breath, with halves of the diaphragm raised."""
    right, left = anatomy.domes
    return replace(anatomy, domes=(right + breath - raised[0], left + breath - raised[1]))


@dataclass(frozen=True, slots=True)
class Shapes:
    """The masks that findings build on, each in [0, 1] with a smooth edge."""

    lungs: dict[str, Float[np.ndarray, "S S"]]  # what is seen of each lung
    whole: dict[str, Float[np.ndarray, "S S"]]  # with what lies behind the heart
    heart: Float[np.ndarray, "S S"]


def shapes(anatomy: Anatomy, canvas: Canvas) -> Shapes:
    """Return the masks of lungs and heart."""
    heart = canvas.filled([anatomy.heart()], blur=0.003)
    middle = canvas.filled([anatomy.mediastinum()], blur=0.004)
    whole = {side: canvas.filled([anatomy.lung(side)], blur=0.003) for side in SIDES}
    free = (1 - heart) * (1 - middle)
    return Shapes({side: whole[side] * free for side in SIDES}, whole, heart)
