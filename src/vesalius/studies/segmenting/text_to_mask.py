"""Masks from words: a map of where the model looks, a refiner, a prompted segmenter.

Beside every mask stand floors (the whole image, a disc at the centre, a nonsense text) and a
ceiling (the segmenter given the true box). Words are those of a task, never of an image: nobody
tells the model what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vesalius.core import Case, CaseSet, Heatmap, Mask
from vesalius.core.files import write_atomic
from vesalius.data.progress import bar
from vesalius.evaluation import (
    CaseValues,
    Segmented,
    case_differences,
    case_scores,
    centre_gaussian,
    segmentation_values,
)
from vesalius.evaluation.localisation.regions import region_mask
from vesalius.explanation import explainer
from vesalius.reporting import Block, Column, Figure, Notice, Section, Table, figures, summary_table
from vesalius.reporting.figures.picture import painted
from vesalius.segmentation import boxes_of, refine
from vesalius.segmentation.writing import png_mask
from vesalius.studies.explaining.maps import file_name
from vesalius.studies.explaining.targets import NONSENSE, by_words, cosine, layer_at, spread
from vesalius.studies.inputs import Splits, in_splits, splits_of, text_encoder
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.segmenting.segmenters import Segmenter

MEASURES = ("dsc", "iou", "nsd", "hd95")
TITLE = "How good are masks from words?"
CENTRE, WHOLE, ORACLE = "a disc at the centre", "the whole image", "ceiling: the true box"
BOX = "the true box, filled"
FLOORS = (CENTRE, WHOLE)
AT_ONCE = 16
SIDE = 300


@dataclass(frozen=True, slots=True)
class Way:
    """From words to a mask: ``refiners`` make masks of the maps of ``method`` at ``layer``.

    ``segmenter`` goes on from their boxes and points: a name of ``PROMPTED``, or a folder of the
    SAM family. ``keep`` components stay.
    """

    method: str = "gradcam"
    layer: str = "auto"
    refiners: tuple[str, ...] = ("kmeans", "otsu")
    segmenter: str | None = "random_walker"
    keep: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True, slots=True)
class _Case:
    """One case with its map and every method's mask."""

    case: Case
    target: str
    heat: Heatmap
    masks: Mapping[str, NDArray[np.bool_]]


WAY = Way()


def text_to_mask(
    context: Context,
    *,
    prompts: str = "generic",
    targets: tuple[str, ...] = (),
    way: Way = WAY,
    tolerance: Annotated[float, Field(ge=0)] = 2.0,
    cases: Splits = "test",
    most: Annotated[int, Field(ge=1)] = 200,
    pictures: Annotated[int, Field(ge=0)] = 8,
) -> Outcome:
    """Segment the cases that have a mask, from the words for what the mask is of.

    ``targets`` names masks (default: all that the cases have); ``prompts`` are words for them, as
    in zero-shot. NSD counts outlines within ``tolerance`` pixels. Masks are kept in ``masks/``.
    """
    chosen = in_splits(context.cases, *splits_of(context.cases, cases))
    rows = with_masks(chosen, targets, most)
    if not rows:
        said = "Not segmented: no case has a mask that is not empty."
        return Outcome(sections=(Section(TITLE, blocks=[Notice(said)]),))
    segment = Segmenter.of(way.segmenter, context.device)
    total = sum(map(len, rows.values()))
    every = max(total // max(pictures, 1), 1)
    found: dict[str, list[Segmented]] = {}
    shown: list[_Case] = []
    best = best_name(way.refiners, segment)
    with bar("segmenting", total, unit="masks", show=context.progress) as advance:
        for number, one in enumerate(segmented(context, chosen, rows, way, segment, prompts)):
            for name, mask_HW in one.masks.items():
                found.setdefault(name, []).append(_row(one.case, one.target, mask_HW))
            if number % every == 0 and len(shown) < pictures:
                shown.append(one)
            _keep(context, one.case, one.target, one.masks[best])
            advance(1)
    tables = {
        name: segmentation_values(own, tolerance=tolerance, method=name)
        for name, own in found.items()
    }
    results = {
        name: tuple(case_scores(table, replicates=context.replicates, seed=context.seed))
        for name, table in tables.items()
    }
    by_target = {name: [s for s in own if s.label] for name, own in results.items()}
    blocks: list[Block] = [
        summary_table(results, measures=[f"macro_{m}" for m in MEASURES]),
        differences(tables, CENTRE, context),
        figures.forest(by_target, measure="dsc"),
        *_sheet(shown, (*way.refiners, best, ORACLE)),
    ]
    return Outcome(
        scores={f"masks: {name}": own for name, own in results.items()},
        sections=(Section(TITLE, WHY, blocks),),
        answer=_sentence(results, total),
    )


def segmented(
    context: Context,
    cases: CaseSet,
    rows: Mapping[str, Sequence[int]],
    way: Way,
    segment: Segmenter,
    prompts: str,
) -> Iterator[_Case]:
    """Make the maps of a few cases at a time, and of each the masks."""
    scores = by_words(context, list(rows), prompts)
    nonsense_1D = text_encoder(context)([NONSENSE])
    nonsense = cosine(nonsense_1D[0] / np.linalg.norm(nonsense_1D[0]), context.device)
    settings = {} if way.layer == "auto" else {"layer": layer_at(context.model, way.layer)}
    for target, own in rows.items():
        asked = {target: scores[target], NONSENSE: nonsense}
        for start in range(0, len(own), AT_ONCE):
            some = cases.select(np.array(own[start : start + AT_ONCE]))
            maps = explainer(way.method)(
                context.model, some.images, asked, device=context.device, **settings
            )
            for case, (heat, idle) in zip(some, maps, strict=True):
                yield _Case(case, target, heat, _masks(case, target, heat, idle, way, segment))


WHY = (
    "The map of where the model looks for the words becomes a mask (refiner), its box and points "
    "a second one (segmenter). Empty and missing masks count as 0. A method must beat the floors: "
    "the whole image, a disc at the centre, the same way asked for nonsense; the true box, given "
    "to the same segmenter, is the most that a better box could bring. Where that is less than the "
    "true box filled, the segmenter spoils what it is given: another one is needed."
)


def with_masks(cases: CaseSet, targets: Sequence[str], most: int) -> dict[str, list[int]]:
    """Return, by target, the cases whose mask of it is not empty; of many, some spread evenly."""
    found: dict[str, list[int]] = {}
    if cases.regions is None:
        return {}
    for row in range(len(cases)):
        for name, mask in cases[row].masks.items():
            if (name in targets or not targets) and mask.values_HW.any():
                found.setdefault(name, []).append(row)
    return {name: spread(own, most) for name, own in found.items()}


def _masks(
    case: Case,
    target: str,
    heat: Heatmap,
    idle: Heatmap,
    way: Way,
    segment: Segmenter,
) -> dict[str, NDArray[np.bool_]]:
    """Return every method's mask of one case."""
    image, truth = case.image.read(), case.masks[target].values_HW
    found = {}
    for refiner in way.refiners:
        mask = refine(heat, image, method=refiner, keep=way.keep)
        found[refiner] = mask.values_HW
        if segment.by_boxes is not None:
            found[f"{refiner}, {segment.name}"] = segment.from_boxes(image, mask.values_HW)
    first = way.refiners[0]
    idle_mask = refine(idle, image, method=first, keep=way.keep)
    found[f"nonsense text, {first}"] = idle_mask.values_HW
    height, width = image.shape[:2]
    found[CENTRE] = centre_gaussian(height, width) > np.exp(-0.5)  # one σ: a quarter of each side
    found[WHOLE] = np.ones((height, width), bool)
    if segment.by_boxes is not None:
        found[ORACLE] = segment.from_boxes(image, truth)
        found[BOX] = region_mask(boxes_of(truth), (height, width))
    if segment.by_words is not None:
        found[f"{segment.name}, by its own words"] = segment.by_words(image, target)
    return found


def best_name(refiners: Sequence[str], segment: Segmenter) -> str:
    """Name the mask that is kept: the first refiner's, with the segmenter where there is one."""
    return refiners[0] if segment.by_boxes is None else f"{refiners[0]}, {segment.name}"


def _row(case: Case, target: str, mask_HW: NDArray[np.bool_]) -> Segmented:
    return Segmented(
        case.case_id, target, Mask(mask_HW, target), case.masks[target], case.patient_id
    )


def _keep(context: Context, case: Case, target: str, mask_HW: NDArray[np.bool_]) -> None:
    """Write a mask of the size of its image."""
    name = f"{file_name(case.case_id)}_{target.lower().replace(' ', '-')}.png"
    write_atomic(context.run.file("masks", name), png_mask(mask_HW))


def differences(tables: Mapping[str, CaseValues], against: str, context: Context) -> Table:
    """Set every method's DSC beside that of one of them, on the same cases."""
    rows = []
    for name, table in tables.items():
        if name in (*FLOORS, against):
            continue
        macro, *_ = case_differences(
            table, tables[against], measure="dsc",
            replicates=context.replicates, seed=context.seed,
        )  # fmt: skip
        words = f"{macro.difference:+.3f} [{macro.low:+.3f}, {macro.high:+.3f}]"
        rows.append((name, words.replace("-", "−"), f"{macro.p_value:.3g}"))
    return Table(
        ("Method", f"DSC more than {against}", Column("p")), rows,
        "Macro over targets, on the same cases; patients swapped.",
    )  # fmt: skip


def _sheet(shown: Sequence[_Case], names: Sequence[str]) -> list[Figure]:
    rows = []
    for one in shown:
        image, truth = one.case.image.read(), one.case.masks[one.target]
        drawn = [painted(image, mask=truth, side=SIDE),
                 painted(image, mask=truth, heatmap=one.heat, side=SIDE)]  # fmt: skip
        lines = ["true mask", "map"]
        for name in dict.fromkeys(name for name in names if name in one.masks):
            drawn.append(painted(image, mask=Mask(one.masks[name], one.target), side=SIDE))
            lines.append(name)
        rows.append((one.target, drawn, lines))
    if not rows:
        return []
    return [figures.ranked_sheet(rows, caption="Each row a case, each outline a mask.")]


def _sentence(results: Mapping[str, Sequence[Any]], total: int) -> str:
    said = [
        f"{name} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
        for name, own in results.items()
        if name != WHOLE
        for score in own
        if score.name == "macro_dsc"
    ]
    return f"DSC of {total:,} masks: {', '.join(said)}."
