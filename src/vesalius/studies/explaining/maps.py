"""Maps: where a model looks for given words, one file and one picture a case and text."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Annotated
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from pydantic import Field

from vesalius.core import CaseSet, DataError, Heatmap, ImageError
from vesalius.core.files import slug, write_atomic
from vesalius.data.progress import bar
from vesalius.explanation import explainer
from vesalius.reporting import Block, Figure, Notice, Section, figures
from vesalius.reporting.figures.picture import painted, picture
from vesalius.studies.explaining.targets import layer_at
from vesalius.studies.inputs import Splits, in_splits, splits_of
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.outlines import outlines

AT_ONCE = 16  # images whose maps are held at a time
SIDE = 300
TITLE = "Where does the model look?"


def maps(
    context: Context,
    *,
    texts: Annotated[tuple[str, ...], Field(min_length=1)],
    method: str = "gradcam",
    layer: str = "auto",
    cases: Splits = "all",
    pictures: Annotated[int, Field(ge=0)] = 12,
) -> Outcome:
    """Make a map of every image for each text, and show some.

    ``maps/CASE.npz`` keeps the raw values by text, at the pixels of the original image,
    ``overlays/CASE_TEXT.png`` the picture. What is there already is not made again.
    """
    texts = tuple(dict.fromkeys(texts))
    if not all(text.strip() for text in texts):
        raise DataError("a text is empty: say what to look for")
    chosen = in_splits(context.cases, *splits_of(context.cases, cases))
    function, unreadable = explainer(method), []
    settings = {} if layer == "auto" else {"layer": layer_at(context.model, layer)}
    shown = bar("explaining", len(chosen), unit="images", show=context.progress)
    with shown as advance:
        for start in range(0, len(chosen), AT_ONCE):
            rows = []
            for row in range(start, min(start + AT_ONCE, len(chosen))):
                if _file(context, chosen, row).exists():
                    continue
                try:
                    chosen.images[row]
                    rows.append(row)
                except ImageError as error:
                    unreadable.append(str(error))
            if rows:
                own = chosen.select(np.array(rows))
                found = function(context.model, own.images, list(texts), device=context.device,
                                 **settings)  # fmt: skip
                for row, heatmaps in zip(rows, found, strict=True):
                    _keep(context, chosen, row, heatmaps)
            advance(min(AT_ONCE, len(chosen) - start))
    if len(unreadable) > context.max_bad * len(chosen):
        raise DataError(
            f"{len(unreadable)} of {len(chosen)} images are unreadable: {unreadable[0]}"
        )
    blocks: list[Block] = [Notice(words) for words in unreadable[:5]]
    why = f"{method}, a row a case, in proportion to each map's own peak, which stands below it."
    return Outcome(
        sections=(Section(TITLE, why, [*blocks, _sheet(context, chosen, texts, pictures)]),),
        answer=f"{len(chosen) - len(unreadable):,} images × {len(texts)} texts by {method}; raw "
        "values in maps/, pictures in overlays/.",
    )


def _file(context: Context, cases: CaseSet, row: int) -> Path:
    return context.run.file("maps", f"{file_name(str(cases.case_ids[row]))}.npz")


def file_name(case_id: str) -> str:
    """Return a file name that no other case or text has: a slug alone may be that of two."""
    return f"{slug(case_id)}-{sha256(case_id.encode()).hexdigest()[:6]}"


def _keep(context: Context, cases: CaseSet, row: int, heatmaps: list[Heatmap]) -> None:
    """Write pictures first and values last: a case with values is done."""
    case = cases[row]
    masks, boxes = outlines(case)
    image = case.image.read()
    for own in heatmaps:
        name = f"{file_name(case.case_id)}_{file_name(own.target)}.png"
        drawn = picture(image, mask=masks, boxes=boxes, heatmap=own)
        write_atomic(context.run.file("overlays", name), drawn)
    buffer = BytesIO()  # as savez_compressed writes it, which has no room for a text such as "file"
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for own in heatmaps:
            with archive.open(f"{own.target}.npy", "w", force_zip64=True) as member:
                np.save(member, own.values_HW.astype(np.float32))
    write_atomic(_file(context, cases, row), buffer.getvalue())


def _sheet(context: Context, cases: CaseSet, texts: tuple[str, ...], pictures: int) -> Figure:
    """Draw some cases, spread evenly, from the values that were kept."""
    step = max(len(cases) // max(pictures, 1), 1)
    rows = []
    for row in range(0, len(cases), step)[:pictures]:
        path = _file(context, cases, row)
        if not path.exists():
            continue
        case = cases[row]
        masks, boxes = outlines(case)
        image = case.image.read()
        drawn, lines = [painted(image, mask=masks, boxes=boxes, side=SIDE)], ["image"]
        with np.load(path) as values:
            for text in texts:
                heat = Heatmap(values[text], "", text)
                drawn.append(painted(image, mask=masks, boxes=boxes, heatmap=heat, side=SIDE))
                lines.append(f"{text}: {heat.values_HW.max():.2g}")
        positive = [name for name, state in case.labels.items() if state]
        rows.append((", ".join(positive) or case.case_id, drawn, lines))
    return figures.ranked_sheet(rows)
