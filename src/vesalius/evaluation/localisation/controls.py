"""What a map must beat: one in the middle, one at random, and the whole image.

Legend: H W pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vesalius.evaluation.case_values import CaseValues, tabulated
from vesalius.evaluation.localisation.located import Located
from vesalius.evaluation.localisation.measures import widened
from vesalius.evaluation.localisation.scoring import (
    AT_THRESHOLD,
    MEASURES,
    PROTOCOL,
    localisation_values,
)

if TYPE_CHECKING:
    from jaxtyping import Float

    MapOf = Callable[[Located], Float[np.ndarray, "H W"]]

SPREAD = 0.25  # standard deviation of the centre's Gaussian, as a share of each side


def centre_gaussian(height: int, width: int) -> Float[np.ndarray, "H W"]:
    """Return a Gaussian around the image's centre, σ a quarter of each side, greatest value 1.

    >>> centre_gaussian(3, 3).round(2)
    array([[0.17, 0.41, 0.17],
           [0.41, 1.  , 0.41],
           [0.17, 0.41, 0.17]])
    """
    rows, columns = (
        np.exp(-0.5 * ((np.arange(n) + 0.5 - n / 2) / (SPREAD * n)) ** 2) for n in (height, width)
    )
    return rows[:, None] * columns


def random_map(height: int, width: int, rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """Return independent uniform values: a map that knows nothing."""
    return rng.random((height, width))


def box_area(rows: Iterable[Located], *, tolerance: float = 0) -> CaseValues:
    """Return what the region's share of the image alone earns, exactly and without a map.

    A point at random hits with that chance and spread mass lies inside by that share; IoU and Dice
    are those of calling the whole image the finding.
    """
    kept, values, left_out = [], [], Counter[str]()
    for row in rows:
        pair = row.arrays()
        if pair is None:
            left_out[row.finding] += 1
            continue
        share, hit = float(pair[1].mean()), float(widened(pair[1], tolerance).mean())
        overlap = [share, 2 * share / (1 + share)]  # wherever it is cut, the whole image is above
        kept.append(row)
        values.append([hit, share, 1.0, *overlap, *overlap])
    return tabulated(
        kept,
        values,
        MEASURES + AT_THRESHOLD,
        method="box_area",
        protocol=PROTOCOL,
        left_out=left_out,
        notes={},
    )


def localisation_controls(
    rows: Sequence[Located],
    *,
    thresholds_from: Sequence[Located] | None = None,
    tolerance: float = 0,
    rng: np.random.Generator,
) -> dict[str, CaseValues]:
    """Return the tables of ``centre_gaussian``, ``random_map`` and ``box_area`` on the same cases.

    The maps of ``rows`` and ``thresholds_from`` give their sizes only. A nonsense prompt and a
    model made random are controls too, which whoever holds the model adds.
    """

    def scored(method: str, of: MapOf) -> CaseValues:
        def drawn(own: Sequence[Located]) -> Iterator[Located]:
            return (replace(row, heatmap=of(row)) for row in own)

        return localisation_values(
            drawn(rows),
            thresholds_from=None if thresholds_from is None else list(drawn(thresholds_from)),
            tolerance=tolerance,
            method=method,
        )

    return {
        "centre_gaussian": scored("centre_gaussian", lambda row: centre_gaussian(*_size(row))),
        "random_map": scored("random_map", lambda row: random_map(*_size(row), rng)),
        "box_area": box_area(rows, tolerance=tolerance),
    }


def _size(row: Located) -> tuple[int, int]:
    height, width = row.map().shape
    return height, width
