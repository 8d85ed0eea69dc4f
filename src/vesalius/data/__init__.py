"""What users bring: a reader per format, the phantom cohort, splits by patient, inspection."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.data.readers import READERS, meanings_of, read, reader_function, settings_of

if TYPE_CHECKING:
    from vesalius.data.convert import Conversion, verify
    from vesalius.data.images import ImageFiles, read_image
    from vesalius.data.inspection import Inspection, inspect
    from vesalius.data.loader import batches
    from vesalius.data.splits import split
    from vesalius.data.streaming import stream_shards

_HOMES = {
    "Conversion": "convert",
    "verify": "convert",
    "stream_shards": "streaming",
    "ImageFiles": "images",
    "Inspection": "inspection",
    "batches": "loader",
    "inspect": "inspection",
    "read_image": "images",
    "split": "splits",
}

__all__ = [
    "READERS",
    "Conversion",
    "ImageFiles",
    "Inspection",
    "batches",
    "inspect",
    "meanings_of",
    "read",
    "read_image",
    "reader_function",
    "settings_of",
    "split",
    "stream_shards",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"vesalius.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
