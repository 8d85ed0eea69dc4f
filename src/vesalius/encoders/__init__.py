"""Encoders: image tower and text tower behind one door, ``load(name)``.

Importing this folder imports no torch; the names below load when they are first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.encoders.cards import ModelCard, catalogue
    from vesalius.encoders.dual_encoder import DualEncoder
    from vesalius.encoders.exporting import export
    from vesalius.encoders.loading import ENCODERS, load, weights_folder
    from vesalius.encoders.model_card import Origin
    from vesalius.encoders.preprocessing import Preprocessing
    from vesalius.encoders.tokenizer import Tokenizer

_HOME = {
    "DualEncoder": "dual_encoder",
    "ENCODERS": "loading",
    "ModelCard": "cards",
    "Origin": "model_card",
    "catalogue": "cards",
    "Preprocessing": "preprocessing",
    "Tokenizer": "tokenizer",
    "export": "exporting",
    "load": "loading",
    "weights_folder": "loading",
}

__all__ = [
    "ENCODERS",
    "DualEncoder",
    "ModelCard",
    "Origin",
    "Preprocessing",
    "Tokenizer",
    "catalogue",
    "export",
    "load",
    "weights_folder",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
