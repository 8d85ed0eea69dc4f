"""What is minimised: a pure function and a file per equation.

``OBJECTIVES`` are functions of paired embeddings, ``(image_BD, text_BD, *, logit_scale)``;
``SUPERVISED`` are functions of logits and truths, ``(logits_BC, truths_BC)``, by the task of the
cases. Importing this folder imports no torch.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from vesalius.core.errors import unknown
from vesalius.objectives.infonce import infonce
from vesalius.objectives.supervised import cross_entropy, masked_bce

OBJECTIVES = {"infonce": "vesalius.objectives.infonce:infonce"}
SUPERVISED = {
    "multilabel": "vesalius.objectives.supervised:masked_bce",
    "multiclass": "vesalius.objectives.supervised:cross_entropy",
}

__all__ = [
    "OBJECTIVES",
    "SUPERVISED",
    "cross_entropy",
    "infonce",
    "masked_bce",
    "objective",
    "supervised_loss",
]


def objective(name: str) -> Callable[..., Any]:
    """Return an image–text objective by its name.

    Raises:
        ChoiceError: there is none of that name.
    """
    return _choose("objective", name, OBJECTIVES)


def supervised_loss(task: str) -> Callable[..., Any]:
    """Return the loss of a task, ``multilabel`` or ``multiclass``."""
    return _choose("task", task, SUPERVISED)


def _choose(kind: str, name: str, choices: dict[str, str]) -> Callable[..., Any]:
    if name not in choices:
        raise unknown(kind, name, choices)
    module, _, function = choices[name].partition(":")
    chosen: Callable[..., Any] = getattr(import_module(module), function)
    return chosen
