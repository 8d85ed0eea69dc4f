"""Faithfulness: do the maps carry the score, and do they change when the model is made random?

Legend: B images of a batch, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, Score
from vesalius.encoders.layers import layers_of
from vesalius.evaluation import Explained as Curves
from vesalius.evaluation import (
    bootstrap,
    case_scores,
    deletion_insertion,
    faithfulness_values,
    random_map,
    randomisation_similarity,
)
from vesalius.explanation import explainer
from vesalius.reporting import Section, figures, summary_table
from vesalius.studies.explaining.located import Way
from vesalius.studies.explaining.targets import NONSENSE, Explained, layer_at, spread
from vesalius.studies.outcome import Context

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

STEPS = 20
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the layers that are made random, from the top
DELETION = (
    "Deletion takes pixels away, the most marked first; insertion puts them onto a blurred image. "
    "A map that carries the score makes it fall early and rise early, so insertion less deletion "
    "is large. Areas are in the units of each setting's own score: compare each with the random "
    "map under that score, which stands below it, and not with another setting."
)
CASCADE = (
    "The tower's layers are given random weights of the same mean and spread, from the top down; "
    "each map is compared with that of the whole model (Spearman's correlation of the pixels). A "
    "map that stays alike shows the image, not the model (Adebayo et al. 2018)."
)


def faithful(
    context: Context,
    told: Mapping[str, Explained],
    cases: CaseSet,
    where: Mapping[str, Sequence[int]],
    way: Way,
    *,
    few: int,
    cascade: int,
) -> list[Section]:
    """Return the sections of deletion and insertion, and of the cascade of randomisation."""
    sections = []
    pairs = [(finding, row) for finding, rows in where.items() for row in rows]
    if few:
        scores = _curves(context, told, cases, spread(pairs, few), way)
        measures = ("macro_insertion_minus_deletion", "macro_deletion_auc", "macro_insertion_auc")
        table = summary_table(scores, measures=measures)
        sections.append(Section("Do the maps carry the score?", DELETION, [table]))
    if cascade:
        setting, target = next(iter(told.items()))
        lines = {setting: _cascade(context, target, cases, spread(pairs, cascade), way)}
        figure = figures.trend(
            lines, measure="map_likeness", along="layers made random, from the top", percent=True
        )
        sections.append(Section("Do the maps show the model?", CASCADE, [figure]))
    return sections


def _curves(
    context: Context,
    told: Mapping[str, Explained],
    cases: CaseSet,
    pairs: Sequence[tuple[str, int]],
    way: Way,
) -> dict[str, tuple[Score, ...]]:
    rng = np.random.default_rng(context.seed)
    rows: dict[str, list[Curves]] = {}
    for setting, target in told.items():
        called = "nonsense prompt" if setting == NONSENSE else setting
        for finding, row in pairs:
            case, score = cases[row], target.scores[finding]
            image = case.image.read()
            maps = {
                called: _map(target.model, image, score, way, context.device),
                f"{called}, random map": random_map(image.shape[0], image.shape[1], rng),
            }
            for name, map_HW in maps.items():
                curves = deletion_insertion(
                    _predict(target.model, score, context.device), image, map_HW, steps=STEPS,
                    rng=rng,
                )  # fmt: skip
                rows.setdefault(name, []).append(
                    Curves(case.case_id, finding, curves, case.patient_id)
                )
    return {
        name: tuple(
            case_scores(
                faithfulness_values(own, method=name),
                replicates=context.replicates,
                seed=context.seed,
            )
        )
        for name, own in rows.items()
    }


def _map(
    model: DualEncoder, image: NDArray[np.uint8], score: Any, way: Way, device: str
) -> NDArray[np.floating[Any]]:
    method, layer = way
    chosen = {} if layer == "auto" else {"layer": layer_at(model, layer)}
    ((heatmap,),) = explainer(method)(model, [image], {"": score}, device=device, **chosen)
    values_HW: NDArray[np.floating[Any]] = heatmap.values_HW
    return values_HW


def _predict(model: DualEncoder, score: Any, device: str) -> Any:
    """Return the function from images to their scores."""
    import torch

    from vesalius.encoders.borrowing import evaluating

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        with evaluating(model, device=device), torch.no_grad():
            pixels = torch.stack([model.preprocess(image) for image in images]).to(device)
            found: NDArray[np.float64] = score(model.encode_image(pixels)).double().cpu().numpy()
        return found

    return predict


def _cascade(
    context: Context,
    target: Explained,
    cases: CaseSet,
    pairs: Sequence[tuple[str, int]],
    way: Way,
) -> dict[float, Score]:
    """Return how alike maps stay to the whole model's, by the share of layers made random."""
    import torch

    model = deepcopy(target.model)
    images = [cases[row].image.read() for _, row in pairs]
    scores = [target.scores[finding] for finding, _ in pairs]
    whole = [_map(model, image, score, way, context.device)
             for image, score in zip(images, scores, strict=True)]  # fmt: skip
    layers = list(layers_of(model).values())[::-1]
    generator = torch.Generator().manual_seed(context.seed)
    done, found = 0, {}
    for share in SHARES:
        upto = round(share * len(layers))
        for layer in layers[done:upto]:
            _make_random(layer, generator)
        done = upto
        alike_N = np.array([
            randomisation_similarity(
                before, _map(model, image, score, way, context.device)
            ).spearman
            for before, image, score in zip(whole, images, scores, strict=True)
        ])  # fmt: skip
        found[share] = _mean(alike_N, cases, pairs, context)
    return found


def _make_random(layer: Any, generator: Any) -> None:
    """Draw every weight anew, with the mean and spread of its tensor."""
    import torch

    with torch.no_grad():
        for parameter in layer.parameters():
            drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
            spread = parameter.std(correction=0)
            parameter.copy_(parameter.mean() + spread * drawn)


def _mean(
    values_N: NDArray[np.float64],
    cases: CaseSet,
    pairs: Sequence[tuple[str, int]],
    context: Context,
) -> Score:
    of = cases.case_ids if cases.patient_ids is None else cases.patient_ids
    interval = bootstrap(
        lambda weights_RN: weights_RN @ values_N / weights_RN.sum(1),
        of[[row for _, row in pairs]],
        replicates=context.replicates,
        rng=np.random.default_rng(context.seed),
    )
    return Score(
        "map_likeness", float(values_N.mean()), interval.low, interval.high, n=len(values_N),
        clusters=interval.clusters, protocol="cascade/v1",
    )  # fmt: skip
