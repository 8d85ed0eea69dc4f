"""A classifier that was trained before: its predictions on these cases."""

from __future__ import annotations

from dataclasses import replace

from vesalius.studies.inputs import in_splits, labelled
from vesalius.studies.outcome import Context, Outcome
from vesalius.training import load_classifier, predict


def classifier(context: Context, *, path: str, title: str = "classifier") -> Outcome:
    """Predict with the classifier in a folder that fine-tuning wrote (``RUN/classifiers/NAME``).

    The cases must have its labels.
    """
    cases = labelled(context, "classifier")
    saved = load_classifier(path, device=context.device)
    predictions = predict(
        saved,
        in_splits(cases, "validation", "test"),
        max_bad=context.max_bad,
        workers=context.workers,
        device=context.device,
        progress=context.progress,
    )
    return Outcome(predictions={title: replace(predictions, method=title)})
