"""Agreement: do a model's maps lie where radiologists saw the findings?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
)
from vesalius.explanation import explainer
from vesalius.reporting import Block, Column, Figure, Notice, Section, Table, figures, summary_table
from vesalius.reporting.figures.picture import painted
from vesalius.studies.explaining.faithful import faithful
from vesalius.studies.explaining.located import Way, located, watched, without_map
from vesalius.studies.explaining.targets import (
    NONSENSE,
    Explained,
    Setting,
    cosine,
    explained,
    findings_with_regions,
    outlined_names,
    spread,
)
from vesalius.studies.inputs import Splits, in_splits, splits_of, text_encoder
from vesalius.studies.outcome import Context, Outcome

MEASURES = ("pointing_game", "mass_in_box", "mass_over_area", "iou", "iou_otsu")
CONTROLS = {"centre_gaussian": "centre Gaussian", "random_map": "random map",
            "box_area": "area of the region alone"}  # fmt: skip
TITLE = "Do the maps lie where the findings are?"
SIDE = 300  # pixels of a picture


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: ``findings`` (default: all labels that are outlined), by ``prompts``.

    An organ that is no label may be a finding. Of each at most ``most`` cases are looked at, spread
    evenly.
    """

    findings: tuple[str, ...] = ()
    prompts: str = "chest"
    cases: Splits = "test"
    most: Annotated[int, Field(ge=1)] = 200

    def outlined(self, cases: CaseSet) -> dict[str, list[int]]:
        """Return, by finding, the cases to look at."""
        found = findings_with_regions(cases, self.findings)
        return {name: spread(rows, self.most) for name, rows in found.items()}


SOUGHT = Sought()
_Outlined = tuple[CaseSet, Mapping[str, Sequence[int]]]  # cases, and by finding which are


def agreement(
    context: Context,
    *,
    methods: tuple[str, ...] = ("gradcam",),
    layers: tuple[str, ...] = ("auto",),
    settings: tuple[Setting, ...] = ("zero-shot", "linear probe"),
    sought: Sought = SOUGHT,
    faithfulness: Annotated[int, Field(ge=0)] = 12,
    cascade: Annotated[int, Field(ge=0)] = 6,
    pictures: Annotated[int, Field(ge=0)] = 8,
) -> Outcome:
    """Score maps of every method, layer and setting against boxes and masks, beside controls.

    ``layers`` are names of the tower's layers, ``auto``, or a height such as ``50 %``. Thresholds
    are chosen on validation.
    ``faithfulness`` and ``cascade`` are how many cases deletion and insertion, and the
    randomisation of the model from the top down, are shown on, by the first method and layer.
    """
    judged = in_splits(context.cases, *splits_of(context.cases, sought.cases))
    where = sought.outlined(judged)
    if not where:
        return _nothing(judged)
    told: dict[str, Explained] = {
        setting: explained(context, setting, list(where), prompts=sought.prompts)
        for setting in settings
    }
    if "zero-shot" in told:
        told[NONSENSE] = _nonsense(context, told["zero-shot"])
    choosing = None
    if sought.cases != "all":
        validation = in_splits(context.cases, "validation")
        choosing = validation, replace(sought, findings=tuple(where)).outlined(validation)
    ways = {_name(setting, *way, methods, layers): (target, way)
            for setting, target in told.items() for way in _ways(methods, layers)}  # fmt: skip
    tables, shown = _tables(context, ways, (judged, where), choosing, pictures)
    scores = {
        name: tuple(case_scores(table, replicates=context.replicates, seed=context.seed))
        for name, table in tables.items()
    }
    blocks: list[Block] = [
        *_seen_before(sought.cases, settings),
        summary_table(scores, measures=[f"macro_{m}" for m in MEASURES]),
        _differences(tables, controls_of=list(CONTROLS.values()), context=context),
        figures.forest(_by_finding(scores), measure="mass_in_box"),
    ]
    sections = [Section(TITLE, WHY, [*blocks, *_sheets(judged, shown)])]
    first = _ways(methods, layers)[0]
    sections += faithful(context, told, judged, where, first, few=faithfulness, cascade=cascade)
    return Outcome(
        scores={f"maps: {name}": own for name, own in scores.items()},
        sections=tuple(sections),
        answer=_sentence(scores, tables),
    )


def _nothing(cases: CaseSet) -> Outcome:
    """Say why nothing is scored, and what could be."""
    said = "Not scored: no case has a label that is outlined by a box or a mask of its name."
    if names := outlined_names(cases):
        said += (
            f" Outlined are {', '.join(names[:10])}: name what to look for, and words for it "
            f"(agreement.findings=[{names[0]}] agreement.prompts=generic)."
        )
    return Outcome(sections=(Section(TITLE, blocks=[Notice(said)]),), answer=said)


def _seen_before(cases: Splits, settings: Sequence[Setting]) -> list[Block]:
    """Warn where a setting is judged on cases that it learnt from."""
    learnt = [setting for setting in settings if setting != "zero-shot"]
    if cases != "all" or not learnt:
        return []
    return [Notice(
        f"Cases of all splits are judged: {' and '.join(learnt)} learnt from the labels (not from "
        "boxes or masks) of some of them, so beside zero-shot they are seen too well."
    )]  # fmt: skip


def _tables(
    context: Context,
    ways: Mapping[str, tuple[Explained, Way]],
    judged: _Outlined,
    choosing: _Outlined | None,
    pictures: int,
) -> tuple[dict[str, CaseValues], dict[str, list[Located]]]:
    """Return the measures of every way's maps and of the controls, and the maps to be drawn.

    Of full-size maps only those of one way's validation cases, and the drawn, are held.
    """
    tables: dict[str, CaseValues] = {}
    shown: dict[str, list[Located]] = {name: [] for name in ways}
    places = frozenset(spread(range(sum(map(len, judged[1].values()))), pictures))
    rows: list[Located] = []
    others: list[Located] = []
    for name, (target, way) in ways.items():
        others.clear()
        if choosing is not None:
            others += located(target, *choosing, way, device=context.device)
        made = located(target, *judged, way, device=context.device)
        sizes = None if tables else rows
        tables[name] = localisation_values(
            watched(made, shown[name], places, sizes=sizes),
            thresholds_from=others or None,
            method=name,
        )
    controls = localisation_controls(
        rows,
        thresholds_from=[without_map(row) for row in others] or None,
        rng=np.random.default_rng(context.seed),
    )
    tables |= {CONTROLS[name]: replace(table, method=CONTROLS[name])
               for name, table in controls.items()}  # fmt: skip
    return tables, shown


WHY = (
    "Pointing game: does the map's peak lie in the region? Mass in box: how much of the map's "
    "positive part does; over area: that, divided by the region's share of the image, so that 1 is "
    "chance. IoU: of the pixels above a threshold chosen on validation, and above Otsu's. Maps are "
    "raw and in the original image's coordinates. A map must beat the controls: a Gaussian at the "
    "centre, chance, and the same method asked for nonsense."
)


def _ways(methods: Sequence[str], layers: Sequence[str]) -> list[Way]:
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


def _sheets(cases: CaseSet, shown: Mapping[str, Sequence[Located]]) -> list[Figure]:
    """Draw cases side by side: the image with what was outlined, then each method's map."""
    sheet = []
    for at, row in enumerate(next(iter(shown.values()))):
        case = cases[int(np.flatnonzero(cases.case_ids == row.case_id)[0])]
        image = case.image.read()
        boxes = [box for box in case.boxes if box.label == row.finding]
        mask = case.masks.get(row.finding)
        drawn, titles = [painted(image, mask=mask, boxes=boxes, side=SIDE)], ["outlined"]
        for name, own in shown.items():
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
        if score is not None and not name.startswith(("nonsense prompt", CONTROLS["random_map"])):
            said.append(f"{name} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]")
    return f"Share of a map's mass inside the region ({n:,} maps): {', '.join(said)}."
