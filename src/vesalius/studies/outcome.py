"""What a study knows while it runs, and what a stage hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vesalius.core import CaseSet, Embeddings, Predictions, Run, Score

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder
    from vesalius.reporting import Section


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a stage may read: the cases, the model, what earlier stages left.

    ``predictions`` and ``embeddings`` are keyed by the words that stand in the page's tables
    (``linear probe``, ``fine-tuned``).
    """

    run: Run
    cases: CaseSet
    model: DualEncoder
    seed: int = 0
    replicates: int = 2000
    device: str = "cpu"
    progress: bool = True
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    embeddings: Mapping[str, Embeddings] = field(default_factory=dict)
    text_embeddings: Mapping[str, Embeddings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage adds: scores by method, ledgers, features, sections of the page, a new model."""

    scores: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    embeddings: Mapping[str, Embeddings] = field(default_factory=dict)
    text_embeddings: Mapping[str, Embeddings] = field(default_factory=dict)
    model: DualEncoder | None = None
