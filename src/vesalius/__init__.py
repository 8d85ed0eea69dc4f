"""Vesalius learns, tests, explains and uses representations of medical images and their text.

Every folder is one idea, and data flows down them once::

    core < data < encoders, objectives, evaluation < embedding, training
    < explanation < segmentation < reporting < studies

The folders load when they are first touched, so that ``import vesalius`` costs nothing.
"""

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

__all__ = [
    "core",
    "data",
    "embedding",
    "encoders",
    "evaluation",
    "explanation",
    "objectives",
    "reporting",
    "segmentation",
    "studies",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"vesalius.{name}")
    raise AttributeError(f"module 'vesalius' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
