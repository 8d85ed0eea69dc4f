"""Outlines: what of a case's masks and boxes is drawn on its picture."""

from __future__ import annotations

from collections.abc import Sequence

from vesalius.core import Box, Case, ImageError, Mask


def outlines(case: Case) -> tuple[Sequence[Mask], Sequence[Box]]:
    """Return the masks of one case, and its boxes around what has no mask.

    Where there are masks of findings, those of the anatomy around them are left away. What cannot
    be read is not drawn: the list of what cannot be read names it.
    """
    try:
        masks = dict(case.masks)
        boxes = [box for box in case.boxes if box.label not in masks]
    except ImageError:
        return (), ()
    filled = {name: mask for name, mask in masks.items() if mask.values_HW.any()}
    of_findings = [mask for name, mask in filled.items() if name in case.labels]
    return of_findings or list(filled.values()), boxes
