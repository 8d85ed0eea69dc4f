"""The canvas: shapes in unit coordinates, drawn smooth into float arrays.

x runs to the image's right (the patient's left) and y down, both from 0 to 1 over the film.
Legend: P points, S side in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from jaxtyping import Float

FINE = 2  # shapes are drawn on twice the pixels and averaged: smooth edges


@dataclass(frozen=True, slots=True)
class Canvas:
    """A film of ``side`` pixels on which the body lies shifted, scaled and rotated a little."""

    side: int
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    turn: float = 0.0

    def placed(self, points_P2: ArrayLike) -> Float[np.ndarray, "P 2"]:
        """Return points of the body as points of the film."""
        points_P2 = (np.asarray(points_P2, dtype=np.float64) - 0.5) * self.scale
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = points_P2 @ np.array([[cos, sin], [-sin, cos]])
        return turned + 0.5 + np.asarray(self.shift)

    def grid(self) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
        """Return x and y of every pixel in the body's own coordinates."""
        centres = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side - 0.5
        x, y = centres[None, :] - self.shift[0], centres[:, None] - self.shift[1]
        cos, sin = np.cos(self.turn) / self.scale, np.sin(self.turn) / self.scale
        return (
            (x * cos + y * sin + 0.5).astype(np.float32),
            (y * cos - x * sin + 0.5).astype(np.float32),
        )

    def filled(
        self, polygons: Sequence[ArrayLike], *, blur: float = 0.0
    ) -> Float[np.ndarray, "S S"]:
        """Return 1 inside the polygons and 0 outside; ``blur`` softens the edge (unit lengths)."""
        image, draw = self._blank()
        for points in polygons:
            draw.polygon(self._pixels(points), fill=255)
        return self._array(image, blur)

    def stroked(
        self,
        lines: Sequence[tuple[ArrayLike, float, float]],
        *,
        blur: float = 0.0,
        flat: bool = False,
    ) -> Float[np.ndarray, "S S"]:
        """Return lines of (points, width, strength in [0, 1]); crossing lines keep the stronger.

        ``flat`` draws lines in the given order, the later over the earlier.
        """
        image, draw = self._blank()
        if not lines:
            return self._array(image, 0.0)
        ordered = lines if flat else sorted(lines, key=lambda line: line[2])
        everything = self._pixels(np.concatenate([np.asarray(line[0]) for line in ordered]))
        fine, start = self.scale * self.side * FINE, 0
        for points, width, strength in ordered:
            end = start + len(points)
            thin = min(width * fine, 1.0)  # a line of less than a pixel is a fainter one
            draw.line(
                everything[start:end],
                fill=round(255 * strength * thin),
                width=max(round(width * fine), 1),
                joint="curve" if width * fine > 4 else None,
            )
            start = end
        return self._array(image, blur)

    def dots(
        self, circles: Sequence[tuple[float, float, float, float]], *, blur: float = 0.0
    ) -> Float[np.ndarray, "S S"]:
        """Return discs of (x, y, radius, strength)."""
        image, draw = self._blank()
        for x, y, radius, strength in circles:
            (px, py), r = self._pixels([(x, y)])[0], radius * self.scale * self.side * FINE
            draw.ellipse((px - r, py - r, px + r, py + r), fill=round(255 * strength))
        return self._array(image, blur)

    def noise(self, rng: np.random.Generator, cells: int) -> Float[np.ndarray, "S S"]:
        """Return smooth noise of mean 0 and deviation about 1, ``cells`` bumps across."""
        coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        image = Image.fromarray(coarse, mode="F")
        return np.asarray(image.resize((self.side, self.side), Image.Resampling.BICUBIC)) * 1.3

    def blurred(self, values: Float[np.ndarray, "S S"], blur: float) -> Float[np.ndarray, "S S"]:
        """Return values in [0, 1] smoothed over unit lengths."""
        image = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
        radius = blur * self.scale * self.side
        return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255

    def _blank(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        image = Image.new("L", (self.side * FINE, self.side * FINE))
        return image, ImageDraw.Draw(image)

    def _pixels(self, points: ArrayLike) -> list[tuple[float, float]]:
        placed = self.placed(points) * (self.side * FINE) - 0.5
        return [tuple(point) for point in placed.tolist()]

    def _array(self, image: Image.Image, blur: float) -> Float[np.ndarray, "S S"]:
        image = image.reduce(FINE)
        radius = blur * self.scale * self.side
        if radius > 0.3:
            image = image.filter(ImageFilter.GaussianBlur(radius))
        return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


def smooth(
    points_P2: ArrayLike, *, closed: bool = True, rounds: int = 3
) -> Float[np.ndarray, "P 2"]:
    """Return a polygon with its corners cut again and again (Chaikin 1974)."""
    points = np.asarray(points_P2, dtype=np.float64)
    for _ in range(rounds):
        after = np.roll(points, -1, axis=0) if closed else points[1:]
        before = points if closed else points[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        cut = cut.reshape(-1, 2)
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points
