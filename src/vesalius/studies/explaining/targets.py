"""What is explained: a finding's score, by words alone, by a probe or by a fine-tuned head.

Legend: B images of a batch, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from vesalius.core import CaseSet, DataError, RecipeError
from vesalius.core.files import slug
from vesalius.encoders.layers import layers_of
from vesalius.evaluation import linear_probe, load_prompts
from vesalius.evaluation.prompts import Prompts
from vesalius.studies.inputs import image_features, text_encoder
from vesalius.studies.outcome import Context
from vesalius.training import load_classifier

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

NONSENSE = "a photograph of a cat on a sofa"
Setting = Literal["zero-shot", "linear probe", "fine-tune"]
Score = Callable[[Any], Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Explained:
    """A model and, by finding, the score of its image rows ``image_BD -> B`` that is explained."""

    setting: str
    model: DualEncoder
    scores: Mapping[str, Score]


def explained(
    context: Context, setting: Setting, findings: Sequence[str], *, prompts: str
) -> Explained:
    """Return the scores of the findings in one setting.

    ``zero-shot`` is the cosine with the positive prompts less that with the negative ones,
    ``linear probe`` the logit of logistic regression on frozen features, ``fine-tune`` that of the
    classifier that the stage of this name kept.
    """
    if setting == "zero-shot":
        return Explained(setting, context.model, by_words(context, findings, prompts))
    if setting == "linear probe":
        features = image_features(context, "train", "validation")
        _, probe = linear_probe(features, context.cases)
        names = context.cases.label_names
        scores = {
            finding: _linear(probe.weights_CD[_at(names, finding, setting)], context.device)
            for finding in findings
        }
        return Explained(setting, context.model, scores)
    folder = context.run.file("classifiers", slug(setting))
    if not folder.is_dir():
        raise DataError(
            f"{setting} cannot be explained: no stage of this name kept a classifier; add "
            "fine_tune to the recipe's adapt, or leave it out of the settings"
        )
    classifier = load_classifier(folder, device=context.device)
    weight_CD = classifier.head.weight.detach().cpu().numpy()
    labels = classifier.label_names
    return Explained(
        setting,
        classifier.encoder,
        {f: _linear(weight_CD[_at(labels, f, setting)], context.device) for f in findings},
    )


def by_words(context: Context, findings: Sequence[str], prompts: str) -> dict[str, Score]:
    """Return each finding's score by its prompts."""
    chosen = load_prompts(prompts, findings)
    encode_text = text_encoder(context)
    return {
        finding: cosine(_direction(chosen, finding, encode_text), context.device)
        for finding in findings
    }


def cosine(direction_D: np.ndarray, device: str) -> Score:
    """Return the score: the image's row of length 1, times a direction."""
    import torch

    direction = torch.from_numpy(np.asarray(direction_D, np.float32)).to(device)
    return lambda image_BD: torch.nn.functional.normalize(image_BD, dim=1) @ direction


def _direction(
    prompts: Prompts, finding: str, encode_text: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    ensembles = [
        _ensemble(encode_text(list(words)))
        for words in (prompts.positive[finding], prompts.negative.get(finding, ()))
        if words
    ]
    direction_D: np.ndarray = ensembles[0] if len(ensembles) == 1 else ensembles[0] - ensembles[1]
    return direction_D


def _ensemble(text_TD: np.ndarray) -> np.ndarray:
    mean_D = (text_TD / np.linalg.norm(text_TD, axis=1, keepdims=True)).mean(0)
    normed_D: np.ndarray = mean_D / np.linalg.norm(mean_D)
    return normed_D


def _linear(weight_D: np.ndarray, device: str) -> Score:
    import torch

    weight = torch.from_numpy(np.nan_to_num(np.asarray(weight_D, np.float32))).to(device)
    return lambda image_BD: image_BD @ weight


def _at(names: Sequence[str], finding: str, setting: str) -> int:
    if finding not in names:
        raise DataError(
            f"{setting} cannot be explained for {finding!r}: it is outlined, but no label that "
            "anything learnt from; leave the setting out (settings=[zero-shot])"
        )
    return names.index(finding)


def findings_with_regions(cases: CaseSet, names: Sequence[str] = ()) -> dict[str, list[int]]:
    """Return, by finding, the cases in which it is present and outlined.

    ``names`` are the findings (default: the labels). One that is no label, such as an organ, is
    present where it is outlined.
    """
    from vesalius.evaluation import reference

    found: dict[str, list[int]] = {name: [] for name in names or cases.label_names}
    if cases.regions is None:
        return {}
    for row in range(len(cases)):
        case = cases[row]
        for name, rows in found.items():
            if case.labels.get(name, name not in cases.label_names):
                rows += [row] if reference(case, name) is not None else []
    return {name: rows for name, rows in found.items() if rows}


def outlined_names(cases: CaseSet) -> list[str]:
    """Return what the boxes and masks of a set are called."""
    if cases.regions is None:
        return []
    return sorted(
        {name for case in cases for name in (*case.masks, *(b.label for b in case.boxes))}
    )


def spread(rows: Sequence[T], most: int) -> list[T]:
    """Return at most so many, spread evenly: sets stand in order of class, site or severity.

    >>> spread(range(9), 4)
    [0, 2, 4, 6]
    """
    n = min(most, len(rows))
    return [rows[i * len(rows) // n] for i in range(n)]


def layer_at(model: DualEncoder, layer: str) -> str:
    """Return the name of a layer, also of one given by its height, such as ``50 %``.

    Raises:
        RecipeError: a height that is none.
    """
    if not layer.endswith("%"):
        return layer
    try:
        height = float(layer.removesuffix("%")) / 100
    except ValueError:
        height = -1.0
    if not 0 <= height <= 1:
        raise RecipeError(f"layer {layer!r} is no height between 0 % and 100 %")
    names = list(layers_of(model))
    return names[round(height * (len(names) - 1))]
