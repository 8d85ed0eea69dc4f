"""Views: augmented images that say the same, made for a whole batch of uint8 pixels at once.

Two steps. A preset draws what happens to each image of a batch, on the CPU; ``apply`` does it, on
any device. The draws of a batch can be cut by rows, so that micro-batches and ranks share them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.data.views.presets import PRESETS, Preset, preset

if TYPE_CHECKING:
    from vesalius.data.views.applying import apply
    from vesalius.data.views.draws import Draws

_HOMES = {"Draws": "draws", "apply": "applying"}

__all__ = ["PRESETS", "Draws", "Preset", "apply", "preset"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"vesalius.data.views.{_HOMES[name]}"), name)
