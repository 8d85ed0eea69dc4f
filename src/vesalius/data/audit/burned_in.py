"""Burned-in text: a cheap look for rows of small bright strokes near the edges of an image.

This is a warning, not a reader of text, and it can be wrong both ways. A stroke is what a small
opening removes (a white top-hat) and what is much brighter than its surroundings; strokes that are
as large as letters and stand in a row, three or more, count as text. docs/audit.md has how often
it is right on planted text and how often it is wrong on films without any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8

LARGEST_SIDE = 1024  # larger images are reduced: letters on them are large, too
SMALLEST_SIDE = 96  # below it letters cannot be told from texture
EDGE = 0.22  # of the side: how far in from the edge text is looked for
CONTRAST = 60  # grey levels over the surroundings
STROKE = 7  # pixels: a stroke is thinner
TALLEST, WIDEST = 0.07, 0.07  # a letter, as a share of the longer side
SMALLEST = 5  # pixels in height
IN_A_ROW = 4


def text_rows(grey: UInt8[np.ndarray, "H W"]) -> int:
    """Return how many rows of letter-like strokes stand near the edges of an image."""
    from scipy.ndimage import find_objects, grey_opening, label

    if min(grey.shape) < SMALLEST_SIDE:
        return 0
    if max(grey.shape) > LARGEST_SIDE:
        from PIL import Image

        picture = Image.fromarray(grey)
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
        grey = np.asarray(picture)
    hat = grey.astype(np.int16) - grey_opening(grey, (STROKE, STROKE))
    strokes = (hat > CONTRAST) & _edge(grey.shape)
    numbered, _ = label(strokes, np.ones((3, 3)))
    letters = [box for box in _boxes(find_objects(numbered)) if _is_letter(box, max(grey.shape))]
    return _rows(letters)


def _edge(shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    edge = np.ones(shape, bool)
    down, across = round(EDGE * shape[0]), round(EDGE * shape[1])
    edge[down : shape[0] - down, across : shape[1] - across] = False
    return edge


def _boxes(slices: list[Any]) -> list[tuple[int, int, int, int]]:
    return [(s[0].start, s[0].stop, s[1].start, s[1].stop) for s in slices if s]


def _is_letter(box: tuple[int, int, int, int], side: int) -> bool:
    height, width = box[1] - box[0], box[3] - box[2]
    return SMALLEST <= height <= max(TALLEST * side, 12) and 1 <= width <= max(WIDEST * side, 12)


def _rows(letters: list[tuple[int, int, int, int]]) -> int:
    """Count chains of letters of like height on one line, each close to the next."""
    letters = sorted(letters, key=lambda box: box[2])
    chains: list[list[tuple[int, int, int, int]]] = []
    for letter in letters:
        for chain in chains:
            if _follows(chain[-1], letter):
                chain.append(letter)
                break
        else:
            chains.append([letter])
    return sum(len(chain) >= IN_A_ROW for chain in chains)


def _follows(last: tuple[int, int, int, int], letter: tuple[int, int, int, int]) -> bool:
    height = max(last[1] - last[0], letter[1] - letter[0])
    alike = min(last[1] - last[0], letter[1] - letter[0]) >= 0.6 * height
    on_a_line = abs(last[1] - letter[1]) <= 0.25 * height
    return alike and on_a_line and -0.3 * height <= letter[2] - last[3] <= 1.2 * height
