"""Zero-shot: the findings scored by words alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from vesalius.evaluation import known_prompts, load_prompts
from vesalius.evaluation import zero_shot as score_by_prompts
from vesalius.reporting import Details, Section, Table
from vesalius.studies.inputs import image_features, labelled, text_encoder
from vesalius.studies.outcome import Context, Outcome

EVALUATED = ("validation", "test")


def zero_shot(
    context: Context,
    *,
    title: str = "zero-shot",
    prompts: Annotated[str, AfterValidator(known_prompts)] = "chest",
) -> Outcome:
    """Score each finding by the similarity of image and prompts.

    ``prompts`` is ``chest`` (report-like positive and negative prompt ensembles), ``generic``
    (for any labels), ``names`` (bare label names, as the IU-Xray study did) or a YAML file.
    """
    cases = labelled(context, "zero_shot")
    chosen = load_prompts(prompts, cases.label_names)
    bias = context.model.logit_bias
    predictions = score_by_prompts(
        image_features(context, *EVALUATED),
        chosen,
        text_encoder(context),
        cases,
        logit_scale=float(context.model.logit_scale.detach().exp()),
        logit_bias=None if bias is None else float(bias.detach()),
    )
    rows = [
        (label, " / ".join(chosen.positive[label]), " / ".join(chosen.negative.get(label, ())))
        for label in cases.label_names
    ]
    table = Table(("Finding", "Positive prompts", "Negative prompts"), rows)
    section = Section(
        f"Prompts of {title}",
        "What the images were compared with.",
        [Details(f"{len(rows)} findings, prompt set {prompts!r}", [table])],
    )
    return Outcome(predictions={title: predictions}, sections=(section,))
