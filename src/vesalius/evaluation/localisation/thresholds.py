"""Where to cut a finding's maps: the threshold with the greatest mean IoU on validation cases.

Source: Saporta et al. 2022 (CheXlocalize), who try a few cuts of maps scaled to 0…1; here maps stay
raw, so that one threshold holds for all cases of a finding, and the cuts tried are quantiles of the
validation maps' own values.

Legend: H W pixels, T thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError
from vesalius.evaluation.localisation.located import Located
from vesalius.evaluation.localisation.measures import ious_at

CUTS = 512  # tried for each finding
ENOUGH = 1 << 16  # of a map's pixels tell where the cuts to try lie
# Findings are small: most cuts lie among the upper values.
LEVELS = 1 - np.geomspace(1e-4, 1, CUTS // 2)


@dataclass(frozen=True, slots=True)
class MapThreshold:
    """The cut of one finding's maps, and the mean IoU it had on n validation cases."""

    value: float
    iou: float
    n: int


def choose_map_thresholds(rows: Sequence[Located]) -> dict[str, MapThreshold]:
    """Return for each finding the cut (map > cut) with the greatest mean IoU over its cases.

    Cases without a reference do not count, and a finding without any has no cut. Among equally good
    cuts the highest is taken (fewest pixels).

    >>> map_22 = np.array([[0.1, 0.4], [0.9, 0.2]])
    >>> row = Located("a", "Mass", map_22, np.array([[False, False], [True, False]]))
    >>> choose_map_thresholds([row])["Mass"].iou
    1.0
    """
    by_finding: dict[str, list[Located]] = {}
    for row in rows:
        by_finding.setdefault(row.finding, []).append(row)
    chosen = {name: _best_cut(own) for name, own in by_finding.items()}
    return {name: cut for name, cut in chosen.items() if cut is not None}


def shared_case(row: Located) -> DataError:
    """Return the error for a case to be judged that has also chosen the thresholds."""
    return DataError(
        f"thresholds_from shares case {row.case_id!r} with the cases to be judged: choose "
        "thresholds on other cases (the validation split)"
    )


def threshold_note(finding: str, thresholds: Mapping[str, MapThreshold]) -> str:
    """Say where a finding's maps were cut.

    >>> threshold_note("Mass", {"Mass": MapThreshold(0.25, 0.31, 40)})
    'cut at 0.25: best of 40 validation cases (mean IoU 0.310)'
    """
    if finding not in thresholds:
        return "no threshold: no validation case with a reference"
    cut = thresholds[finding]
    return f"cut at {cut.value:.4g}: best of {cut.n} validation cases (mean IoU {cut.iou:.3f})"


def _best_cut(rows: Sequence[Located]) -> MapThreshold | None:
    """Return the best cut of one finding; the maps are gone through twice and none is kept."""
    values: list[NDArray[np.float64]] = []
    for row in rows:
        pair = row.arrays()
        if pair is not None:
            map_HW, region_HW = pair
            for own in (map_HW.ravel(), map_HW[region_HW]):
                values.append(np.quantile(own[:: max(1, own.size // ENOUGH)], LEVELS))
    if not values:
        return None
    pooled = np.unique(np.concatenate(values))
    if len(pooled) > CUTS:
        pooled = pooled[np.linspace(0, len(pooled) - 1, CUTS).round().astype(int)]
    ious_T, n = np.zeros(len(pooled)), 0
    for row in rows:
        pair = row.arrays()
        if pair is not None:
            ious_T += ious_at(*pair, pooled)
            n += 1
    best = len(ious_T) - 1 - int(np.argmax(ious_T[::-1]))
    return MapThreshold(float(pooled[best]), float(ious_T[best] / n), n)
