"""Weights out of a file that holds a whole module, pickled with its classes.

The classes are neither imported nor run: a :class:`Husk` stands for each that is named, and a file
that names anything else is refused. Files of before torch 1.6 are streams of pickles with the raw
numbers behind them; ``torch.load`` opens modules in them only by running what they name, so they
are read here.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any
from zipfile import is_zipfile

import torch
from torch import Tensor

from vesalius.core import ModelError
from vesalius.encoders.checkpoint import Inert, read_content, tensors_of

MAGIC = 0x1950A86A20F9469CFC6C  # of torch's files before 1.6
LAYERS = (
    "container.Sequential",
    "conv.Conv2d",
    "batchnorm.BatchNorm2d",
    "activation.ReLU",
    "pooling.MaxPool2d",
    "pooling.AvgPool2d",
    "pooling.AdaptiveAvgPool2d",
    "linear.Linear",
)
FORGOTTEN = (
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "_codecs.encode",
    "builtins.bytes",
    "__builtin__.bytes",
    "__builtin__.set",
    "torch.nn.backends.thnn._get_thnn_function_backend",
)
"""What modules carry beside tensors (thresholds, an old torch's backend); nothing is made of it."""

TYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
}


class Husk:
    """Stands for a class of a module; keeps what the object held and does nothing."""

    def __new__(cls, *args: Any, **settings: Any) -> Husk:
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.held = state


def read_module(path: Path, *, classes: Collection[str]) -> dict[str, Tensor]:
    """Return the tensors of a module whose own classes are ``classes``, or of a plain state dict.

    Raises ModelError where the file is missing, broken or names anything else.
    """
    stand_ins: dict[str, Any] = dict.fromkeys(classes, Husk)
    stand_ins |= dict.fromkeys((f"torch.nn.modules.{layer}" for layer in LAYERS), Husk)
    stand_ins |= dict.fromkeys(FORGOTTEN, Inert)
    if path.is_file() and not is_zipfile(path):
        content = _read_stream(path, stand_ins)
    else:
        pairs: list[Any] = [(stand_in, name) for name, stand_in in stand_ins.items()]
        with torch.serialization.safe_globals(pairs):
            content = read_content(path)
    if not isinstance(content, Husk):
        return tensors_of(content, path)
    return dict(_tensors(content, "", path))


class _Stream(pickle.Unpickler):
    """Reads pickles in which nothing may be named but what ``known`` has."""

    def __init__(self, file: IO[bytes], known: dict[str, Any], *, most: int) -> None:
        super().__init__(file, encoding="utf-8")
        self.known = known
        self.numbers: dict[str, Tensor] = {}
        self.left = most

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in self.known:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return self.known[f"{module}.{name}"]

    def persistent_load(self, saved: Any) -> Any:
        """Return a class for ``("module", class, …)``, room for ``("storage", type, key, …)``."""
        if saved[0] == "module":
            return saved[1]
        kind, dtype, key, _, size, view = saved
        if kind != "storage" or not isinstance(dtype, torch.dtype) or view is not None:
            raise pickle.UnpicklingError(f"it holds {kind!r} of an unknown sort")
        if key not in self.numbers:
            self.left -= size * dtype.itemsize
            if size < 0 or self.left < 0:
                raise pickle.UnpicklingError("it announces more numbers than it holds")
            self.numbers[key] = torch.zeros(size, dtype=dtype)
        return self.numbers[key]


def _read_stream(path: Path, stand_ins: dict[str, Any]) -> Any:
    makers: dict[str, Callable[..., Any]] = {
        "collections.OrderedDict": OrderedDict,
        "torch._utils._rebuild_tensor_v2": _view,
        "torch._utils._rebuild_parameter": _data,
    }
    known = {**stand_ins, **makers, **TYPES}
    try:
        with path.open("rb") as file:

            def load() -> Any:
                return reader(file).load()

            def reader(file: IO[bytes]) -> _Stream:
                return _Stream(file, known, most=path.stat().st_size)

            if load() != MAGIC:
                raise pickle.UnpicklingError("it does not begin as torch's files do")
            load(), load()  # version and byte order
            whole = reader(file)
            content = whole.load()
            for key in load():
                _fill(whole.numbers[key], file)
    except (pickle.UnpicklingError, EOFError, OSError, struct.error) as error:
        raise ModelError(
            f"{path} was not opened: {error} (anything but weights could run code)"
        ) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{path} is not a readable checkpoint: {error!r}") from error
    return content


def _view(flat: Tensor, offset: int, size: Any, stride: Any, *rest: Any) -> Tensor:
    return flat.as_strided(tuple(size), tuple(stride), offset)


def _data(data: Tensor, *rest: Any) -> Tensor:
    return data


def _fill(flat: Tensor, file: IO[bytes]) -> None:
    """Put the next raw numbers into their place, in which tensors already look."""
    count = struct.unpack("<q", file.read(8))[0]
    raw = file.read(flat.numel() * flat.element_size())
    if count != flat.numel() or len(raw) != flat.numel() * flat.element_size():
        raise EOFError("its numbers end too early")
    if count:
        flat.copy_(torch.frombuffer(bytearray(raw), dtype=flat.dtype))


def _tensors(husk: Husk, prefix: str, path: Path) -> Iterator[tuple[str, Tensor]]:
    held = getattr(husk, "held", None)
    if not isinstance(held, dict):
        raise ModelError(f"{path}: {prefix or 'the module'} holds nothing that can be read")
    for kind in ("_parameters", "_buffers"):
        for name, value in (held.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value.detach()
    for name, child in (held.get("_modules") or {}).items():
        if isinstance(child, Husk):
            yield from _tensors(child, f"{prefix}{name}.", path)
