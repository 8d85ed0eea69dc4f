"""The card that goes with a model's files: README.md with YAML front matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vesalius.encoders.cards import card_of

if TYPE_CHECKING:
    from vesalius.core import Score
    from vesalius.encoders.dual_encoder import DualEncoder

LICENCES = ("mit", "apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "bsd-3-clause")
"""The names by which a model hub knows licences; another one is told in words."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a Run knows of a model: its question, data and recipe, and scores by method."""

    question: str = ""
    data: str = ""
    recipe: str = ""
    scores: Sequence[tuple[str, Score]] = ()


def readme(model: DualEncoder, origin: Origin, *, how: str) -> str:
    """Return the card of a model; ``how`` is Python that loads it."""
    import yaml

    front = yaml.safe_dump(_front(model, origin), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---",
        f"# {model.name}",
        "**Research use only: not for diagnosis.** Nobody has shown that this model is safe or "
        "useful for patients.",
        f"## Use\n\n```python\n{how}\n```",
        "## What it is\n\n" + "\n".join(f"- {line}" for line in _facts(model)),
        _training(origin),
        _measured(origin.scores),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(model: DualEncoder, origin: Origin) -> dict[str, Any]:
    card = card_of(model.name)
    said = "unknown: that of the first weights and of the training data" if card is None else (
        card.licence
    )  # fmt: skip
    known = said.lower() in LICENCES and not origin.recipe  # training may add other terms
    licence = {"license": said.lower()} if known else {"license": "other", "license_name": said}
    texts = getattr(model.text, "refuse", None) is None
    tags = ["medical-imaging", "vesalius", *(["clip", "image-text"] if texts else [])]
    kind = "zero-shot-image-classification" if texts else "image-feature-extraction"
    return {**licence, "library_name": "vesalius", "pipeline_tag": kind, "tags": tags}


def _facts(model: DualEncoder) -> list[str]:
    facts = model.identity()
    words = f"{model.context_length} tokens of text" if model.context_length else "no text tower"
    return [
        f"family `{model.family}`, {sum(p.numel() for p in model.parameters()):,} parameters, "
        f"width {model.width}, {model.image_size} px, {words}",
        f"started from {model.start}",
        f"pixels: {facts['preprocessing']}",
        f"weights: sha256 of all tensors `{facts['weights_hash']}`",
    ]


def _training(origin: Origin) -> str:
    if not origin.recipe:
        return ""
    return (
        f"## Training\n\n{origin.question}\n\nData: {origin.data}. "
        f"The recipe, whole:\n\n```yaml\n{origin.recipe.strip()}\n```"
    )


def _measured(scores: Sequence[tuple[str, Score]]) -> str:
    if not scores:
        return ""
    rows = [f"| {method} | {score} |" for method, score in scores]
    return "\n".join(
        ["## Measured", "", "On the test split of that data, with 95 % intervals:", "",
         "| method | score |", "|---|---|", *rows]
    )  # fmt: skip
