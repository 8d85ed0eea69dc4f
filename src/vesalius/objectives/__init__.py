"""What is minimised: a pure function and a file per equation.

``OBJECTIVES`` are functions of images and texts, ``(image_BD, text_BD, *, settings)``;
``SELF_SUPERVISED`` of two views of the same images, ``(first_BD, second_BD, *, settings)``;
``SUPERVISED`` of logits and truths, ``(logits_BC, truths_BC)``, by the task of the cases;
:func:`dice_bce` of masks.
Importing this folder imports no torch.

What an image–text objective names among its keywords is given to it by the training where it is
data (``GIVEN``); every other keyword is a setting of the recipe.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from vesalius.core.errors import unknown
from vesalius.objectives.barlow_twins import barlow_twins
from vesalius.objectives.dhn_nce import dhn_nce
from vesalius.objectives.dice_bce import dice_bce
from vesalius.objectives.infonce import infonce
from vesalius.objectives.multi_positive import multi_positive
from vesalius.objectives.nt_xent import nt_xent
from vesalius.objectives.semantic_matching import semantic_matching
from vesalius.objectives.sigmoid import sigmoid
from vesalius.objectives.supervised import cross_entropy, masked_bce

OBJECTIVES = {
    "dhn_nce": "vesalius.objectives.dhn_nce:dhn_nce",
    "infonce": "vesalius.objectives.infonce:infonce",
    "multi_positive": "vesalius.objectives.multi_positive:multi_positive",
    "semantic_matching": "vesalius.objectives.semantic_matching:semantic_matching",
    "sigmoid": "vesalius.objectives.sigmoid:sigmoid",
}
GIVEN = ("logit_scale", "logit_bias", "image_findings_BF", "text_findings_BF", "groups_B")
SELF_SUPERVISED = {
    "barlow_twins": "vesalius.objectives.barlow_twins:barlow_twins",
    "nt_xent": "vesalius.objectives.nt_xent:nt_xent",
}
SUPERVISED = {
    "multilabel": "vesalius.objectives.supervised:masked_bce",
    "multiclass": "vesalius.objectives.supervised:cross_entropy",
}

__all__ = [
    "GIVEN",
    "OBJECTIVES",
    "SELF_SUPERVISED",
    "SUPERVISED",
    "barlow_twins",
    "cross_entropy",
    "dice_bce",
    "dhn_nce",
    "infonce",
    "masked_bce",
    "multi_positive",
    "nt_xent",
    "objective",
    "self_supervised_loss",
    "semantic_matching",
    "sigmoid",
    "supervised_loss",
]


def objective(name: str) -> Callable[..., Any]:
    """Return an image–text objective by its name.

    Raises:
        ChoiceError: there is none of that name.
    """
    return _choose("objective", name, OBJECTIVES)


def self_supervised_loss(name: str) -> Callable[..., Any]:
    """Return an objective of two views by its name.

    Raises:
        ChoiceError: there is none of that name.
    """
    return _choose("self-supervised objective", name, SELF_SUPERVISED)


def supervised_loss(task: str) -> Callable[..., Any]:
    """Return the loss of a task, ``multilabel`` or ``multiclass``."""
    return _choose("task", task, SUPERVISED)


def _choose(kind: str, name: str, choices: dict[str, str]) -> Callable[..., Any]:
    if name not in choices:
        raise unknown(kind, name, choices)
    module, _, function = choices[name].partition(":")
    chosen: Callable[..., Any] = getattr(import_module(module), function)
    return chosen
