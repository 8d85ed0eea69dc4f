"""Fine-tuning: the image tower goes on learning, from labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vesalius.core.files import slug
from vesalius.data.ranks import by_first
from vesalius.embedding import encode
from vesalius.evaluation import linear_probe as fit_probe
from vesalius.reporting import Section
from vesalius.studies.exporting import origin_of
from vesalius.studies.inputs import Share, image_features, in_splits, labelled
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.pretrain import conditions, fit_blocks
from vesalius.training import (
    FINE_TUNING,
    MANNER,
    REACH,
    Manner,
    Optimisation,
    Reach,
    predict,
    save_classifier,
)
from vesalius.training import fine_tune as train_on_labels


def fine_tune(
    context: Context,
    *,
    title: str = "fine-tune",
    labels: Share = 1.0,
    strategy: Literal["full", "head", "last_blocks", "lora"] = "full",
    reach: Reach = REACH,
    start: Literal["probe", "random"] = "probe",
    head_learning_rate: float | None = None,
    augment: bool = False,
    optimisation: Optimisation = FINE_TUNING,
    manner: Manner = MANNER,
) -> Outcome:
    """Train the image tower and a linear head on the labels (``full``), or the head alone.

    ``last_blocks`` trains the last of the tower's blocks and the head, ``lora`` low-rank changes
    and the head; ``layer_decay`` slows the lower layers.
    ``start=probe`` sets the head to the linear probe's first (LP-then-FT, Kumar et al. 2022);
    ``random`` is how the IU-Xray study starts. ``labels`` is the share of the training cases whose
    labels are used (``label_share/v1``). The classifier is kept in ``classifiers/``.
    """
    cases = labelled(context, "fine_tune", share=labels)
    probe = None
    if start == "probe":
        _, probe = fit_probe(image_features(context, "train", "validation"), cases)
    classifier, fit = train_on_labels(
        context.model,
        cases.split("train"),
        cases.split("validation"),
        conditions=conditions(context, slug(title), manner),
        optimisation=optimisation,
        strategy=strategy,
        reach=reach,
        head_learning_rate=head_learning_rate,
        init=probe,
        augment=augment,
    )
    kept = context.run.file("classifiers", slug(title))
    by_first(lambda: save_classifier(classifier, kept, origin=origin_of(context.run)))
    predictions = predict(
        classifier,
        in_splits(cases, "validation", "test"),
        max_bad=context.max_bad,
        workers=context.workers,
        device=context.device,
        progress=context.progress,
    )
    images = {}
    if strategy != "head":
        images[title] = encode(
            classifier.encoder,
            in_splits(cases, "test"),
            store=context.run.file("embeddings"),
            max_bad=context.max_bad,
            device=context.device,
            workers=context.workers,
            progress=context.progress,
        )
    section = Section(
        f"How {title} went",
        "Masked binary cross-entropy (one label of several) or cross-entropy (one class of "
        "several) on the training split; the epoch with the least validation loss was kept.",
        fit_blocks({title: fit}),
    )
    return Outcome(
        predictions={title: replace(predictions, method=title)},
        images=images,
        sections=(section,),
        fits={title: fit},
    )
