"""Agreement: do a model's maps lie where radiologists saw the findings?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Annotated

import numpy as np
from pydantic import Field

from vesalius.core import CaseSet, Heatmap, Score
from vesalius.evaluation import (
    CaseValues,
    Located,
    case_differences,
    case_scores,
    localisation_controls,
    localisation_values,
    reference,
)
from vesalius.explanation import explainer
from vesalius.reporting import Block, Column, Figure, Notice, Section, Table, figures, summary_table
from vesalius.reporting.figures.picture import painted
from vesalius.studies.explaining.faithful import faithful
from vesalius.studies.explaining.targets import (
    Explained,
    Setting,
    cosine,
    explained,
    findings_with_regions,
    layer_at,
)
from vesalius.studies.inputs import Splits, in_splits, splits_of, text_encoder
from vesalius.studies.outcome import Context, Outcome

NONSENSE = "a photograph of a cat on a sofa"
MEASURES = ("pointing_game", "mass_in_box", "mass_over_area", "iou", "iou_otsu")
CONTROLS = {"centre_gaussian": "centre Gaussian", "random_map": "random map",
            "box_area": "area of the region alone"}  # fmt: skip
TITLE = "Do the maps lie where the findings are?"
SIDE = 300  # pixels of a picture


def agreement(
    context: Context,
    *,
    methods: tuple[str, ...] = ("gradcam",),
    layers: tuple[str, ...] = ("auto",),
    settings: tuple[Setting, ...] = ("zero-shot", "linear probe"),
    prompts: str = "chest",
    cases: Splits = "test",
    most: Annotated[int, Field(ge=1)] = 200,
    faithfulness: Annotated[int, Field(ge=0)] = 12,
    cascade: Annotated[int, Field(ge=0)] = 6,
    pictures: Annotated[int, Field(ge=0)] = 8,
) -> Outcome:
    """Score maps of every method, layer and setting against boxes and masks, beside controls.

    ``layers`` are names of the tower's layers, ``auto``, or a height such as ``50 %``. At most
    ``most`` cases of each finding are looked at. Thresholds are chosen on validation.
    ``faithfulness`` and ``cascade`` are how many cases deletion and insertion, and the
    randomisation of the model from the top down, are shown on.
    """
    judged = in_splits(context.cases, *splits_of(context.cases, cases))
    where = {name: rows[:most] for name, rows in findings_with_regions(judged).items()}
    if not where:
        said = "Not scored: no case has a finding with a box or a mask."
        return Outcome(sections=(Section(TITLE, blocks=[Notice(said)]),))
    choosing = None if cases == "all" else in_splits(context.cases, "validation")
    rows_by_method: dict[str, list[Located]] = {}
    tables: dict[str, CaseValues] = {}
    told: dict[str, Explained] = {setting: explained(context, setting, list(where), prompts=prompts)
            for setting in settings}  # fmt: skip
    if "zero-shot" in told:
        told[NONSENSE] = _nonsense(context, told["zero-shot"])
    chosen_by = {} if choosing is None else {
        name: rows[:most] for name, rows in findings_with_regions(choosing).items() if name in where
    }  # fmt: skip
    ways = _ways(methods, layers)
    for setting, target in told.items():
        for method, layer in ways:
            name = _name(setting, method, layer, methods, layers)
            rows = _located(target, judged, where, method, layer, context)
            others = []
            if choosing is not None:
                others = _located(target, choosing, chosen_by, method, layer, context)
            rows_by_method[name] = rows
            tables[name] = localisation_values(rows, thresholds_from=others or None, method=name)
    first = next(iter(rows_by_method.values()))
    controls = localisation_controls(first, rng=np.random.default_rng(context.seed))
    tables |= {CONTROLS[name]: replace(table, method=CONTROLS[name])
               for name, table in controls.items()}  # fmt: skip
    scores = {
        name: tuple(case_scores(table, replicates=context.replicates, seed=context.seed))
        for name, table in tables.items()
    }
    blocks: list[Block] = [
        summary_table(scores, measures=[f"macro_{m}" for m in MEASURES]),
        _differences(tables, controls_of=list(CONTROLS.values()), context=context),
        figures.forest(_by_finding(scores), measure="mass_in_box"),
    ]
    sheets = _sheets(judged, rows_by_method, pictures)
    sections = [Section(TITLE, WHY, [*blocks, *sheets])]
    sections += faithful(
        context, told, judged, where, methods[0], few=faithfulness, cascade=cascade
    )
    return Outcome(
        scores={f"maps: {name}": own for name, own in scores.items()},
        sections=tuple(sections),
        answer=_sentence(scores, tables),
    )


WHY = (
    "Pointing game: does the map's peak lie in the region? Mass in box: how much of the map's "
    "positive part does; over area: that, divided by the region's share of the image, so that 1 is "
    "chance. IoU: of the pixels above a threshold chosen on validation, and above Otsu's. Maps are "
    "raw and in the original image's coordinates. A map must beat the controls: a Gaussian at the "
    "centre, chance, and the same method asked for nonsense."
)


def _ways(methods: Sequence[str], layers: Sequence[str]) -> list[tuple[str, str]]:
    """Return every method with every layer; one that reads no layer stands once."""
    return [
        (method, layer)
        for method in methods
        for layer in (layers if "layer" in signature(explainer(method)).parameters else ("auto",))
    ]


def _name(
    setting: str, method: str, layer: str, methods: Sequence[str], layers: Sequence[str]
) -> str:
    parts = ["nonsense prompt" if setting == NONSENSE else setting]
    parts += [method] if len(methods) > 1 else []
    parts += [f"layer {layer}"] if len(layers) > 1 and layer != "auto" else []
    return ", ".join(parts)


def _nonsense(context: Context, of: Explained) -> Explained:
    text_1D = text_encoder(context)([NONSENSE])
    score = cosine(text_1D[0] / np.linalg.norm(text_1D[0]), context.device)
    return Explained(NONSENSE, of.model, dict.fromkeys(of.scores, score))


def _located(
    target: Explained,
    cases: CaseSet,
    where: Mapping[str, Sequence[int]],
    method: str,
    layer: str,
    context: Context,
) -> list[Located]:
    """Make the map of every case and finding that is outlined."""
    function = explainer(method)
    found = []
    for finding, rows in where.items():
        own = cases.select(np.array(rows))
        chosen = {} if layer == "auto" else {"layer": layer_at(target.model, layer)}
        maps = function(
            target.model, own.images, {finding: target.scores[finding]},
            device=context.device, **chosen,
        )  # fmt: skip
        for row, (heatmap,) in enumerate(maps):
            case = own[row]
            region = reference(case, finding)
            found.append(Located(case.case_id, finding, heatmap, region, case.patient_id))
    return found


def _differences(
    tables: Mapping[str, CaseValues], *, controls_of: Sequence[str], context: Context
) -> Block:
    """Set every method beside the Gaussian at the centre, on the same cases."""
    centre, rows = tables[CONTROLS["centre_gaussian"]], []
    for name, table in tables.items():
        if name in controls_of:
            continue
        for measure in ("pointing_game", "mass_in_box"):
            macro, *_ = case_differences(
                table, centre, measure=measure, replicates=context.replicates, seed=context.seed
            )
            rows.append((
                name, measure.replace("_", " "),
                f"{macro.difference:+.3f} [{macro.low:+.3f}, {macro.high:+.3f}]".replace("-", "−"),
                f"{macro.p_value:.3g}",
            ))  # fmt: skip
    return Table(
        ("Method", "Measure", "More than the centre Gaussian", Column("p")), rows,
        "Macro over findings, on the same cases; patients swapped.",
    )  # fmt: skip


def _by_finding(scores: Mapping[str, Sequence[Score]]) -> dict[str, list[Score]]:
    """Return the scores of single findings, as the forest draws them."""
    return {name: [s for s in own if s.label] for name, own in scores.items()}


def _sheets(
    cases: CaseSet, rows_by_method: Mapping[str, Sequence[Located]], pictures: int
) -> list[Figure]:
    """Draw cases side by side: the image with what was outlined, then each method's map."""
    some = next(iter(rows_by_method.values()))
    step = max(len(some) // max(pictures, 1), 1)
    chosen = list(range(0, len(some), step))[:pictures]
    sheet = []
    for at in chosen:
        row = some[at]
        case = cases[int(np.flatnonzero(cases.case_ids == row.case_id)[0])]
        image = case.image.read()
        boxes = [box for box in case.boxes if box.label == row.finding]
        mask = case.masks.get(row.finding)
        drawn, titles = [painted(image, mask=mask, boxes=boxes, side=SIDE)], ["outlined"]
        for name, own in rows_by_method.items():
            heat = own[at].heatmap
            assert isinstance(heat, Heatmap)
            drawn.append(painted(image, boxes=boxes, mask=mask, heatmap=heat, side=SIDE))
            titles.append(f"{name}, peak {heat.values_HW.max():.2g}")
        sheet.append((f"{row.finding}", drawn, titles))
    if not sheet:
        return []
    caption = (
        "Each row a case: what radiologists outlined (blue box, orange mask), and each method's "
        "map in proportion to its own peak; the scores use the raw maps."
    )
    return [figures.ranked_sheet(sheet, caption=caption)]


def _sentence(scores: Mapping[str, Sequence[Score]], tables: Mapping[str, CaseValues]) -> str:
    said = []
    n = len(next(iter(tables.values())))
    for name, own in scores.items():
        score = next((s for s in own if s.name == "macro_mass_in_box"), None)
        if score is not None and name not in ("nonsense prompt", CONTROLS["random_map"]):
            said.append(f"{name} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]")
    return f"Share of a map's mass inside the region ({n:,} maps): {', '.join(said)}."
