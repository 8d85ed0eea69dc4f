"""The canvas: shapes in unit coordinates, drawn smooth into float arrays.

x runs to the image's right (the patient's left) and y down, both from 0 to 1 over the film.
Legend: K lines, P points, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from jaxtyping import Float

FINE = 2  # sharp shapes are drawn on twice the pixels and averaged
SOFT = 0.9  # pixels of blur from which that is not needed; below, nobody sees it
SHADES = 255


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of some width (unit lengths) and strength in [0, 1] that tapers to ``end``."""

    points: ArrayLike
    width: float
    strength: float = 1.0
    end: float | None = None

    def outline(self) -> Float[np.ndarray, "P 2"]:
        """Return the polygon around the line."""
        points_P2 = np.asarray(self.points, dtype=np.float64)
        along_P2 = np.gradient(points_P2, axis=0)
        across_P2 = np.stack([-along_P2[:, 1], along_P2[:, 0]], axis=1)
        across_P2 /= np.maximum(np.hypot(across_P2[:, :1], across_P2[:, 1:]), 1e-9)
        last = self.width if self.end is None else self.end
        across_P2 *= np.linspace(self.width / 2, last / 2, len(points_P2))[:, None]
        return np.concatenate([points_P2 + across_P2, (points_P2 - across_P2)[::-1]])


@dataclass(frozen=True, slots=True)
class Canvas:
    """A film of ``side`` pixels on which the body lies shifted, scaled and rotated a little."""

    side: int
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    turn: float = 0.0

    def placed(self, points_P2: ArrayLike) -> Float[np.ndarray, "... P 2"]:
        """Return points of the body as points of the film."""
        points_P2 = (np.asarray(points_P2, dtype=np.float64) - 0.5) * self.scale
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = points_P2 @ np.array([[cos, sin], [-sin, cos]])
        return turned + 0.5 + np.asarray(self.shift)

    def grid(self, *, every: int = 1) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
        """Return x and y of every pixel in the body's own coordinates, or of ``every`` second."""
        cells = -(-self.side // every)
        centres = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / cells
        x, y = centres[None, :] - 0.5 - self.shift[0], centres[:, None] - 0.5 - self.shift[1]
        cos, sin = np.cos(self.turn) / self.scale, np.sin(self.turn) / self.scale
        across, down = (x * cos + (y * sin + 0.5)), (y * cos - (x * sin - 0.5))
        return across.astype(np.float32), down.astype(np.float32)

    def enlarged(self, values: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "S S"]:
        """Return values of a coarser grid on that of the film."""
        image = Image.fromarray(values.astype(np.float32, copy=False))
        return np.array(image.resize((self.side, self.side), Image.Resampling.BILINEAR))

    def filled(
        self, polygons: Sequence[ArrayLike], *, blur: float = 0.0, strength: float = 1.0
    ) -> Float[np.ndarray, "S S"]:
        """Return ``strength`` inside the polygons, 0 outside; ``blur`` softens the edge."""
        image, draw, fine = self._blank(blur)
        for points in polygons:
            draw.polygon(self._pixels(points, fine), fill=round(SHADES * strength))
        return self._array(image, blur)

    def stroked(self, strokes: Sequence[Stroke], *, blur: float = 0.0) -> Float[np.ndarray, "S S"]:
        """Return lines; where they cross, the stronger is seen."""
        image, draw, fine = self._blank(blur)
        for stroke in sorted(strokes, key=lambda stroke: stroke.strength):
            outline = self._pixels(stroke.outline(), fine)
            self._stroke(draw, outline, stroke.width, stroke.strength, fine)
        return self._array(image, blur)

    def curves(
        self,
        curves_KP2: Float[np.ndarray, "K P 2"],
        widths_K: Float[np.ndarray, "K"],
        strengths_K: Float[np.ndarray, "K"],
        *,
        taper: float = 1.0,
        blur: float = 0.0,
    ) -> Float[np.ndarray, "S S"]:
        """Return many lines of as many points at once, each narrowing to ``taper`` of its width."""
        image, draw, fine = self._blank(blur)
        across_KP2 = np.gradient(curves_KP2, axis=1)[..., ::-1] * [-1, 1]
        across_KP2 /= np.maximum(np.hypot(across_KP2[..., :1], across_KP2[..., 1:]), 1e-9)
        narrowing_P1 = np.linspace(0.5, 0.5 * taper, curves_KP2.shape[1])[:, None]
        across_KP2 *= widths_K[:, None, None] * narrowing_P1
        sides = [curves_KP2 + across_KP2, (curves_KP2 - across_KP2)[:, ::-1]]
        flat = self._scaled(np.concatenate(sides, axis=1), fine).reshape(len(widths_K), -1)
        for k in np.argsort(strengths_K, kind="stable").tolist():
            self._stroke(draw, flat[k].tolist(), float(widths_K[k]), float(strengths_K[k]), fine)
        return self._array(image, blur)

    def dots(
        self, circles: Sequence[tuple[float, float, float, float]], *, blur: float = 0.0
    ) -> Float[np.ndarray, "S S"]:
        """Return discs of (x, y, radius, strength)."""
        image, draw, fine = self._blank(blur)
        for x, y, radius, strength in circles:
            (px, py), r = self._pixels([(x, y)], fine), radius * self.scale * self.side * fine
            draw.ellipse((px - r, py - r, px + r, py + r), fill=round(SHADES * strength))
        return self._array(image, blur)

    def glow(self, x: float, y: float, across: float, down: float) -> Float[np.ndarray, "S S"]:
        """Return a Gaussian bump of height 1 with the given deviations (unit lengths)."""
        px, py = self.placed([(x, y)])[0]
        centres = (np.arange(self.side, dtype=np.float32) + np.float32(0.5)) / self.side
        row = np.exp(-0.5 * ((centres - px) / (across * self.scale)) ** 2).astype(np.float32)
        column = np.exp(-0.5 * ((centres - py) / (down * self.scale)) ** 2).astype(np.float32)
        return column[:, None] * row[None, :]

    def noise(
        self, rng: np.random.Generator, cells: int, *, every: int = 1
    ) -> Float[np.ndarray, "S S"]:
        """Return smooth noise of mean 0 and deviation about 1, ``cells`` bumps across."""
        coarse = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
        size = (-(-self.side // every),) * 2
        return np.asarray(Image.fromarray(coarse * 1.3).resize(size, Image.Resampling.BICUBIC))

    def _stroke(
        self,
        draw: ImageDraw.ImageDraw,
        outline: list[float],
        width: float,
        strength: float,
        fine: int,
    ) -> None:
        """Draw an outline; a line of less than a pixel is a fainter one of a pixel."""
        pixels = width * self.scale * self.side * fine
        shade = round(SHADES * strength * min(pixels, 1.0))
        if pixels < 1.5:
            draw.line(outline[: len(outline) // 2], fill=shade, width=1)
        else:
            draw.polygon(outline, fill=shade)

    def _blank(self, blur: float) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
        fine = 1 if blur * self.scale * self.side >= SOFT else FINE
        image = Image.new("L", (self.side * fine, self.side * fine))
        return image, ImageDraw.Draw(image), fine

    def _pixels(self, points: ArrayLike, fine: int) -> list[float]:
        """Return x, y, x, y, … in pixels."""
        return self._scaled(points, fine).ravel().tolist()

    def _scaled(self, points: ArrayLike, fine: int) -> Float[np.ndarray, "... P 2"]:
        return self.placed(points) * (self.side * fine) - 0.5

    def _array(self, image: Image.Image, blur: float) -> Float[np.ndarray, "S S"]:
        """Return the drawing at the film's size, softened: shrunk and enlarged, which is fast."""
        radius = blur * self.scale * self.side
        if radius >= SOFT:
            cell = max(round(1.5 * radius), 2)
            whole = (0.0, 0.0, self.side / cell, self.side / cell)
            image = image.reduce(cell)
            image = image.resize((self.side, self.side), Image.Resampling.BILINEAR, box=whole)
        elif image.width > self.side:
            image = image.reduce(FINE)
        return np.multiply(np.asarray(image), np.float32(1 / SHADES), dtype=np.float32)


def smooth(
    points_P2: ArrayLike, *, closed: bool = True, rounds: int = 3
) -> Float[np.ndarray, "P 2"]:
    """Return a polygon with its corners cut again and again (Chaikin 1974)."""
    points = np.asarray(points_P2, dtype=np.float64)
    return _corner_cutting(len(points), closed, rounds) @ points


@lru_cache
def _corner_cutting(n: int, closed: bool, rounds: int) -> Float[np.ndarray, "P n"]:
    """Return the matrix that makes the new points from the old ones: cutting is linear."""
    points = np.eye(n)
    for _ in range(rounds):
        after = np.roll(points, -1, axis=0) if closed else points[1:]
        before = points if closed else points[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        cut = cut.reshape(-1, n)
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points
