"""Separability: how far apart the findings lie in the space of the features."""

from __future__ import annotations

import numpy as np

from vesalius.core import CaseSet
from vesalius.evaluation import separability as measure_separability
from vesalius.evaluation.separability import first_positive
from vesalius.reporting import Notice, Section, figures, summary_table
from vesalius.studies.inputs import image_features
from vesalius.studies.outcome import Context, Outcome

FROZEN = "frozen encoder"


def separability(context: Context) -> Outcome:
    """Measure distances within and between classes on test features, and draw their map.

    The class of a case is its first positive label (the IU-Xray study's rule).
    """
    cases = context.cases
    title = "How do the embeddings lie?"
    if not cases.label_names:
        return Outcome(
            sections=(Section(title, blocks=[Notice("Not measured: the cases have no labels.")]),)
        )
    features = {FROZEN: image_features(context, "test"), **context.found.images}
    scores = {
        method: tuple(
            measure_separability(
                embeddings, cases, replicates=context.replicates, seed=context.seed
            )
        )
        for method, embeddings in features.items()
    }
    maps = [
        figures.embedding_map(
            embeddings.normalised(),
            _classes(cases.of_cases(embeddings.case_ids)),
            rng=np.random.default_rng(context.seed),
            caption=f"Test images, {method}. Colour: the first positive label.",
        )
        for method, embeddings in features.items()
    ]
    section = Section(
        title,
        "Classes that lie apart can be told apart. Class = first positive label; distances are "
        "Euclidean on features as the model gives them, so compare them within one encoder only.",
        [summary_table(scores), *maps],
    )
    return Outcome(scores=scores, sections=(section,))


def _classes(cases: CaseSet) -> list[str]:
    """Return each case's class in words; empty where nothing is known."""
    class_N, names = first_positive(cases)
    return [names[c] if c >= 0 else "" for c in class_N]
