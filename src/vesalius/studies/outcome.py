"""What a study knows while it runs, and what a stage hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vesalius.core import CaseSet, Embeddings, Predictions, Run, Score

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder
    from vesalius.reporting import Section
    from vesalius.training import Fit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage adds. Every mapping is keyed by the method's name as the page prints it.

    ``scores`` are the numbers, ``predictions`` the ledgers that classification reads, ``images``
    and ``texts`` the features that retrieval and separability read, ``sections`` parts of the
    page, ``model`` the encoder that later stages go on with, ``fits`` how the trainings went,
    ``answer`` what the stage found, in sentences that can be quoted.
    """

    scores: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    images: Mapping[str, Embeddings] = field(default_factory=dict)
    texts: Mapping[str, Embeddings] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    model: DualEncoder | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    answer: str = ""

    def joined(self, other: Outcome) -> Outcome:
        """Return what two parts of a stage add together; the model is the later one's."""
        scores = dict(self.scores)
        for method, more in other.scores.items():
            scores[method] = (*scores.get(method, ()), *more)
        return Outcome(
            scores=scores,
            predictions={**self.predictions, **other.predictions},
            images={**self.images, **other.images},
            texts={**self.texts, **other.texts},
            sections=(*self.sections, *other.sections),
            model=other.model or self.model,
            fits={**self.fits, **other.fits},
            answer=" ".join(part for part in (self.answer, other.answer) if part),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a stage may read: the cases, the model, what earlier stages left.

    ``frozen`` names the features of the model as it now stands in ``found.images``.
    """

    run: Run
    cases: CaseSet
    model: DualEncoder
    found: Outcome = field(default_factory=Outcome)
    seed: int = 0
    replicates: int = 2000
    max_bad: float = 0.05
    device: str = "cpu"
    workers: int | None = None
    progress: bool = True

    def after(self, outcome: Outcome) -> Context:
        """Return the context that the next stage sees."""
        found = replace(self.found.joined(outcome), model=None)
        return replace(self, model=outcome.model or self.model, found=found)
