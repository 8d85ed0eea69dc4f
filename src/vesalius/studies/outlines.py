"""Outlines: what of a case's masks and boxes is drawn on its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

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


def legend(masks: Sequence[Mask], boxes: Sequence[Box]) -> str:
    """Name what is drawn, in the colours of the picture.

    >>> legend((), (Box("Mass", 0, 0, 4, 4), Box("Mass", 8, 8, 4, 4), Box("Nodule", 2, 2, 1, 1)))
    'Blue box: Mass (2), Nodule'
    """
    drawn = {"Orange outline": (own.target for own in masks),
             "Blue box": (own.label for own in boxes)}  # fmt: skip
    named = ((what, _counted(names)) for what, names in drawn.items())
    return " · ".join(f"{what}: {names}" for what, names in named if names)


def _counted(names: Iterable[str]) -> str:
    counts = Counter(name or "not named" for name in names)
    return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in counts.items())
