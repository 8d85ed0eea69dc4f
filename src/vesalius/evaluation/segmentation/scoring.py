"""Predicted masks against reference masks, case by case: the table that scores are made of.

Protocol ``segmentation/v1``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import DataError, Mask
from vesalius.evaluation.case_values import CaseValues, tabulated
from vesalius.evaluation.panel import join
from vesalius.evaluation.segmentation.overlap import dsc, iou
from vesalius.evaluation.segmentation.surface import TOLERANCE, Spacing, surface_distances

if TYPE_CHECKING:
    from jaxtyping import Bool

    Masked = Bool[np.ndarray, "..."]

PROTOCOL = "segmentation/v1"
MEASURES = ("dsc", "iou", "nsd", "hd95")


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """A predicted mask of one case and finding beside the reference.

    Masks are :class:`~vesalius.core.Mask` or plain arrays (what is not 0 belongs to them), images
    or volumes. ``predicted`` None is a missing prediction and counts as an empty one; ``truth``
    None means that there is no reference: the case is left out and counted. ``spacing`` is the
    distance between pixels, one number or one an axis.
    """

    case_id: str
    finding: str
    predicted: Mask | np.ndarray | None
    truth: Mask | np.ndarray | None
    patient_id: str | None = None
    spacing: Spacing = 1.0

    def masks(self) -> tuple[Masked, Masked] | None:
        """Return predicted and reference mask; DataError where their shapes differ."""
        if self.truth is None:
            return None
        truth = _values(self.truth)
        if self.predicted is None:
            return np.zeros_like(truth), truth
        predicted = _values(self.predicted)
        if predicted.shape != truth.shape:
            raise DataError(
                f"case {self.case_id!r}, finding {self.finding!r}: the predicted mask has shape "
                f"{predicted.shape}, the reference {truth.shape}"
            )
        return predicted, truth


def segmentation_values(
    rows: Iterable[Segmented], *, tolerance: float = TOLERANCE, method: str = ""
) -> CaseValues:
    """Score masks against references, one row for each case × finding.

    Measures: ``dsc``, ``iou``, ``nsd`` (within ``tolerance``) and ``hd95``, the last two in the
    units of each row's spacing (pixels by default). A missing or empty prediction where something
    is there counts 0, 0, 0 and the image's diagonal, and so does one where nothing is; both empty
    count 1, 1, 1 and 0; notes say how many there were.

    Raises:
        DataError: masks of different shapes, a spacing that is none, patients known of some only.
    """
    if not tolerance >= 0:
        raise DataError(f"tolerance is {tolerance!r}; it must be 0 or more")
    measured, values = [], []
    left_out, missed, both_empty = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        pair = row.masks()
        if pair is None:
            left_out[row.finding] += 1
            continue
        some = [bool(mask.any()) for mask in pair]
        missed[row.finding] += some == [False, True]
        both_empty[row.finding] += some == [False, False]
        away = surface_distances(*pair, spacing=row.spacing)
        measured.append(replace(row, predicted=None, truth=None))  # its name is what is kept
        values.append([dsc(*pair), iou(*pair), away.nsd(tolerance), away.hd95()])
    remarks = {name: _remark(missed[name], both_empty[name]) for name in missed}
    remarks[""] = _remark(missed.total(), both_empty.total())
    notes = {(m, f): remark for f, remark in remarks.items() if remark for m in MEASURES}
    within = f"within {tolerance:g}"
    notes |= {("nsd", f): join(within, remark) for f, remark in remarks.items()}
    return tabulated(
        measured,
        values,
        MEASURES,
        method=method,
        protocol=PROTOCOL,
        left_out=left_out,
        notes=notes,
    )


def _values(mask: Mask | np.ndarray) -> Masked:
    return np.asarray(mask.values_HW if isinstance(mask, Mask) else mask) != 0


def _remark(missed: int, both_empty: int) -> str:
    return join(
        f"{missed} empty predictions counted as misses" if missed else "",
        f"{both_empty} cases empty in both counted as agreeing" if both_empty else "",
    )
