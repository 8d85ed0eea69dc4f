"""Conversion of any set into a manifest folder or shards: in parallel, resumable, checked."""

from vesalius.data.convert.converting import Conversion, convert
from vesalius.data.convert.equality import differences, verify

__all__ = ["Conversion", "convert", "differences", "verify"]
