"""What a model is asked about: texts, or scores of image rows.

Legend of shapes: B batch, D width, K targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import normalize

from vesalius.core import ModelError

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

Score = Callable[[Tensor], Tensor]
"""A score of image rows, ``image_BD -> B``."""
Targets = Sequence[str] | Mapping[str, Score]
"""Texts, each scored by its cosine with the image; or, by name, scores of image rows."""
Scores = Callable[[Tensor], list[Tensor]]
"""Image rows -> the scores of each target."""


def named(targets: Targets) -> list[str]:
    """Return the targets' names; one text is not its letters.

    >>> named("edema")
    ['edema']
    """
    return [targets] if isinstance(targets, str) else list(targets)


def scores_of(model: DualEncoder, targets: Targets) -> Scores:
    """Return image rows -> the scores of each target; texts are encoded here, once.

    A text longer than the model's context is cut there, and logged, by the tokenizer.

    Raises:
        ModelError: targets are texts and the model reads none.
    """
    if isinstance(targets, Mapping):
        chosen = list(targets.values())
        return lambda image_BD: [score(image_BD) for score in chosen]
    model.require_text()
    text_KD = normalize(model.encode_text(named(targets)), dim=1)
    return lambda image_BD: list((normalize(image_BD, dim=1) @ text_KD.T).unbind(1))


def checked(scores_KB: list[Tensor], *, images: int, with_gradient: bool = False) -> list[Tensor]:
    """Return the scores if each target gives one number an image.

    Raises:
        ModelError: it does not, or the numbers have no gradient where one is needed.
    """
    for place, score_B in enumerate(scores_KB):
        missing = with_gradient and not score_B.requires_grad
        if score_B.shape != (images,) or missing:
            raise ModelError(
                f"target {place} gives scores of shape {tuple(score_B.shape)}"
                f"{' without a gradient' if missing else ''}; wanted is one for each "
                f"of {images} images, computed from image_BD by torch"
            )
    return scores_KB
