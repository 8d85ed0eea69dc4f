"""Masks on the page: a sheet of pictures, how large the masks are, which are empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vesalius.core import CaseSet
from vesalius.reporting import Block, Column, Figure, Notice, Table, figures
from vesalius.reporting.figures.picture import painted

SIDE = 300
MOST = 60  # rows of the table of cases
NAMED = 10


@dataclass(frozen=True, slots=True)
class Area:
    """How large a case's mask is: its share of the image, and its connected parts."""

    case: str
    text: str
    share: float
    components: int


def mask_blocks(
    cases: CaseSet,
    areas: Sequence[Area],
    unreadable: Sequence[str],
    texts: Sequence[str],
    overlay: Callable[[int, str], Path],
    *,
    pictures: int,
) -> list[Block]:
    """Return what the page shows of masks that were made."""
    empty = [f"{area.case}: {area.text}" for area in areas if not area.components]
    blocks: list[Block] = [Notice(words) for words in unreadable[:5]]
    if empty:
        more = f" and {len(empty) - NAMED} more" if len(empty) > NAMED else ""
        blocks.append(Notice(f"{len(empty)} masks are empty: {', '.join(empty[:NAMED])}{more}"))
    blocks += [_by_text(areas, texts), _sheet(cases, texts, overlay, pictures), _by_case(areas)]
    return blocks


def _by_text(areas: Sequence[Area], texts: Sequence[str]) -> Table:
    rows = []
    for text in texts:
        own = [area for area in areas if area.text == text]
        shares = np.array([area.share for area in own if area.components])
        said = (
            [f"{100 * q:.1f} %" for q in np.quantile(shares, (0.5, 0.05, 0.95))]
            if shares.size
            else ["–"] * 3
        )
        rows.append((text, len(own), len(own) - shares.size, said[0], f"{said[1]} – {said[2]}"))
    return Table(
        ("Text", Column("Images"), Column("Empty"), Column("Share of the image"),
         Column("5th – 95th percentile")), rows,
        "Median share of the image, of the masks that are not empty.",
    )  # fmt: skip


def _by_case(areas: Sequence[Area]) -> Table:
    rows = [
        (area.case, area.text, f"{100 * area.share:.1f} %", area.components)
        for area in sorted(areas, key=lambda area: area.share)[:MOST]
    ]
    return Table(
        ("Case", Column("Text"), Column("Share of the image"), Column("Components")), rows,
        f"The {len(rows)} smallest of {len(areas)} masks; all of them stand in areas/.",
    )  # fmt: skip


def _sheet(
    cases: CaseSet, texts: Sequence[str], overlay: Callable[[int, str], Path], pictures: int
) -> Figure:
    """Draw some cases, spread evenly, from the pictures that were kept."""
    from PIL import Image

    step = max(len(cases) // max(pictures, 1), 1)
    rows = []
    for row in range(0, len(cases), step)[:pictures]:
        paths = {text: overlay(row, text) for text in texts}
        if not all(path.exists() for path in paths.values()):
            continue
        drawn = [painted(cases.images[row], side=SIDE)]
        for path in paths.values():
            with Image.open(path) as kept:
                drawn.append(np.asarray(kept.convert("RGB")))
        rows.append((str(cases.case_ids[row]), drawn, ["image", *paths]))
    return figures.ranked_sheet(rows, caption="The map, and the mask's outline on it.")
