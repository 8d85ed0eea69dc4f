"""Embedding: encode once, evaluate many times."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.embedding.encoding import encode
    from vesalius.embedding.layers import encode_layers
    from vesalius.embedding.rows import Store
    from vesalius.embedding.saved import open_embeddings, save

_HOMES = {
    "Store": "rows",
    "encode": "encoding",
    "encode_layers": "layers",
    "open_embeddings": "saved",
    "save": "saved",
}

__all__ = ["Store", "encode", "encode_layers", "open_embeddings", "save"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"vesalius.embedding.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
