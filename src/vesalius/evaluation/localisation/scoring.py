"""Maps against references, case by case: the table that scores and differences are made of.

Protocol ``localisation/v1``.

Legend: H W pixels, N rows (case × finding), K measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan

import numpy as np

from vesalius.evaluation.case_values import CaseValues, tabulated
from vesalius.evaluation.localisation.located import Located
from vesalius.evaluation.localisation.measures import (
    mass_in_box,
    otsu_threshold,
    overlap_at,
    pointing_game,
)
from vesalius.evaluation.localisation.thresholds import (
    MapThreshold,
    choose_map_thresholds,
    shared_case,
    threshold_note,
)

PROTOCOL = "localisation/v1"
MEASURES = ("pointing_game", "mass_in_box", "mass_over_area", "iou_otsu", "dice_otsu")
EMPTY_HW = np.zeros((0, 0))
AT_THRESHOLD = ("iou", "dice")  # cut where the validation cases' mean IoU is greatest


def localisation_values(
    rows: Iterable[Located],
    *,
    thresholds_from: Sequence[Located] | None = None,
    tolerance: float = 0,
    method: str = "",
) -> CaseValues:
    """Score maps against the regions that radiologists drew, one row for each case × finding.

    Measures: ``pointing_game``; ``mass_in_box``; ``mass_over_area``, the mass in the box over the
    box's share of the image (1 is chance); ``iou_otsu`` and ``dice_otsu`` of the pixels above the
    map's own Otsu threshold; with ``thresholds_from`` also ``iou`` and ``dice`` above the finding's
    threshold, which those validation cases choose. A map that is the same everywhere misses; a case
    without a reference is left out and counted.

    Args:
        rows: gone through once, so that a generator keeps one map at a time.
        thresholds_from: maps of validation cases.
        tolerance: of the pointing game, in pixels.
        method: what the maps were made by.

    Raises:
        DataError: a map or region that is none, a case in both, patients known of some only.
    """
    thresholds: dict[str, MapThreshold] = {}
    if thresholds_from is not None:
        thresholds = choose_map_thresholds(thresholds_from)
    validation = {row.case_id for row in thresholds_from or ()}
    measured, values, left_out = [], [], Counter[str]()
    for row in rows:
        if row.case_id in validation:
            raise shared_case(row)
        pair = row.arrays()
        if pair is None:
            left_out[row.finding] += 1
            continue
        map_HW, region_HW = pair
        mass, cut = mass_in_box(map_HW, region_HW), thresholds.get(row.finding)
        measured.append(replace(row, heatmap=EMPTY_HW, region=None))  # its name is what is kept
        values.append([
            pointing_game(map_HW, region_HW, tolerance=tolerance),
            mass,
            mass / region_HW.mean(),
            *overlap_at(map_HW, region_HW, otsu_threshold(map_HW)),
            *((nan, nan) if cut is None else overlap_at(map_HW, region_HW, cut.value)),
        ])  # fmt: skip
    names = MEASURES if thresholds_from is None else MEASURES + AT_THRESHOLD
    findings = {row.finding for row in measured}
    cuts = {(m, f): threshold_note(f, thresholds) for m in AT_THRESHOLD for f in findings}
    near = {("pointing_game", f): f"within {tolerance:g} pixels" for f in {"", *findings}}
    return tabulated(
        measured,
        [own[: len(names)] for own in values],
        names,
        method=method,
        protocol=PROTOCOL,
        left_out=left_out,
        notes=(cuts if thresholds_from is not None else {}) | (near if tolerance else {}),
    )
