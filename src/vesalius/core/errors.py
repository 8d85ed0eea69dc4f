"""Errors that name the mistake, the place and the choices.

Every error that a user can cause is a :class:`VesaliusError`; the command line prints its message
without a traceback (unless ``--debug``) and exits with code 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_CHOICES = 60  # more are a wall of names


class VesaliusError(Exception):
    """What a user can cause and mend."""


class DataError(VesaliusError):
    """A folder, file, column or value that is not what a reader needs."""


class ImageError(DataError):
    """One image that cannot be read: the message names the file and the reason."""


class ModelError(VesaliusError):
    """A model that cannot be loaded, or that cannot do what is asked of it."""


class RecipeError(VesaliusError):
    """A recipe with a wrong key or value."""


class TrainingError(VesaliusError):
    """A training run that must stop (a loss that is not finite, a checkpoint that does not fit)."""


class RankError(TrainingError):
    """Another process of a job has ended, or does not answer."""


class ChoiceError(VesaliusError):
    """A name that is not one of the choices."""


def unknown(kind: str, given: object, choices: Iterable[str]) -> ChoiceError:
    """Return the error for a name that is not among the choices, with the nearest right one.

    >>> str(unknown("objective", "infonse", ["infonce", "sigmoid"]))
    "unknown objective 'infonse'; did you mean 'infonce'? choose one of infonce, sigmoid"
    """
    names = sorted(choices)
    near = get_close_matches(str(given), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = names
    if len(names) > MOST_CHOICES:
        shown = get_close_matches(str(given), names, n=5, cutoff=0.3) or names[:5]
    more = f" and {len(names) - len(shown):,} others" if len(shown) < len(names) else ""
    return ChoiceError(f"unknown {kind} {given!r}; {hint}choose one of {', '.join(shown)}{more}")
