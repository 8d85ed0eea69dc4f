"""A loss is tried on two rows before any work: a setting that cannot be is refused at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from vesalius.core import TrainingError, unknown

ROWS = 2


def keywords(loss: Callable[..., Any]) -> list[str]:
    """Return the names of a loss's keywords.

    >>> from vesalius.objectives import nt_xent
    >>> keywords(nt_xent)
    ['temperature', 'tile']
    """
    parameters = inspect.signature(loss).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def try_out(
    name: str,
    loss: Callable[..., Any],
    settings: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> None:
    """Compute a loss of two rows with its settings; ``given`` is the data that it reads.

    Raises:
        ChoiceError: the loss has no such setting, or no such variant.
        TrainingError: a setting has a value that the loss cannot take.
        DataError: as the loss itself.
    """
    own = [keyword for keyword in keywords(loss) if keyword not in (given or {})]
    for setting in settings:
        if setting not in own:
            raise unknown(f"setting of {name}", setting, own)
    rows_BD = torch.eye(ROWS)
    try:
        loss(rows_BD, rows_BD, **(given or {}), **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        said = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        raise TrainingError(f"{name} cannot be computed with {said}: {error}") from None
