"""Tensors out of files that may come from anywhere. A file never runs code here.

safetensors is read as it is; ``.pt``, ``.pth`` and ``.bin`` only with ``weights_only=True``.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vesalius.core import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs put the weights, beside an optimiser and an epoch."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint, unwrapped, without a ``module.`` prefix.

    Raises ModelError where the file is missing, broken, or would run code when opened.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing")
    if path.suffix == ".safetensors":
        return tensors_of(read_safetensors(path)[0], path)
    return tensors_of(read_content(path), path)


def tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the weights in the content of a file, unwrapped, without a ``module.`` prefix."""
    tensors = _unwrapped(content, path)
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and header of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, (  # noqa: SIM118
                opened.metadata() or {}
            )
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, "safetensors file", error) from error


def same(name: str) -> tuple[str, ...]:
    """Return a name as the file has it where that is how the module has it."""
    return (name,)


def prefixed(prefixes: Mapping[str, str]) -> Callable[[str], tuple[str, ...]]:
    """Return a naming that changes the first prefix that fits: module's -> file's.

    >>> prefixed({"head.": "projector.model."})("head.0.weight")
    ('projector.model.0.weight',)
    """

    def named(name: str) -> tuple[str, ...]:
        for ours, theirs in prefixes.items():
            if name.startswith(ours):
                return (theirs + name.removeprefix(ours),)
        return (name,)

    return named


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    ignore: Collection[str] = (),
    absent: Collection[str] = (),
    names: Callable[[str], tuple[str, ...]] = same,
) -> None:
    """Put tensors into a module; every name and shape must fit but those in ``ignore``.

    Tensors of the module in ``absent`` may be missing in the file, and stay what they are.

    ``names`` says how the file calls a tensor of the module; several names are parts of it, one
    under another. Raises ModelError listing, in the file's names, those that are missing, left
    over or of another shape.
    """
    state = module.state_dict()
    parts = {
        name: names(name)
        for name in state
        if name not in absent or all(part in tensors for part in names(name))
    }
    wanted = {
        part: (state[name].shape[0] // len(some), *state[name].shape[1:])
        if state[name].ndim
        else ()
        for name, some in parts.items()
        for part in some
    }
    given = {name: value for name, value in tensors.items() if name in wanted or name not in ignore}
    missing = sorted(wanted.keys() - given.keys())
    surplus = sorted(given.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {wanted[name]}"
        for name in sorted(wanted.keys() & given.keys())
        if tuple(given[name].shape) != wanted[name]
    ]
    problems = {"missing": missing, "not of this model": surplus, "of another shape": shapes}
    if any(problems.values()):
        raise ModelError(f"{path} does not fit the model: {listed(problems)}")
    module.load_state_dict(
        {
            name: given[some[0]] if len(some) == 1 else torch.cat([given[part] for part in some])
            for name, some in parts.items()
        },
        strict=not absent,  # the names were compared above
    )


def renamed(
    tensors: Mapping[str, Tensor], keys: Mapping[str, str], path: Path
) -> dict[str, Tensor]:
    """Return tensors under other names: the first of the prefixes ``keys`` that fits is changed.

    Raises ModelError where two names become one.
    """
    new: dict[str, Tensor] = {}
    for name, value in tensors.items():
        prefix = next((prefix for prefix in keys if name.startswith(prefix)), "")
        here = keys.get(prefix, "") + name.removeprefix(prefix)
        if here in new:
            raise ModelError(f"{path} has two tensors for {here}, one of them {name}")
        new[here] = value
    return new


def listed(problems: Mapping[str, list[str]]) -> str:
    """Return in words which names are wrong, and how."""
    return "; ".join(f"{len(v)} {kind}: {_some(v)}" for kind, v in problems.items() if v)


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


class Inert:
    """Stands where a file names a class of its author's program: holds nothing, does nothing."""

    def __new__(cls, *args: Any, **settings: Any) -> Inert:
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


OMEGACONF = re.compile(
    r"omegaconf\.[\w.]+|typing\.Any|collections\.defaultdict|builtins\.(dict|list|int|float|str|bool)"
)
"""The names that OmegaConf's objects bring into a file; of none is anything called."""


def read_content(path: Path) -> Any:
    """Return what a ``.pt``, ``.pth``, ``.bin`` or ``.tar`` file of torch holds; runs no code.

    Configurations of OmegaConf come as :class:`Inert`, all else is tensors and plain values. Raises
    ModelError where the file is missing or broken, or holds anything else; the message names what
    was refused.
    """
    from pickle import UnpicklingError

    if not path.is_file():
        raise ModelError(f"{path} is missing")
    try:
        with torch.serialization.safe_globals(_stand_ins(path)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_mappable(path))
    except UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused is None:
            raise _unreadable(path, "checkpoint", error) from error
        raise ModelError(
            f"{path} holds more than weights ({refused[1]}) and was not opened (it could run "
            "code); ask its author for safetensors, or for a plain state dict"
        ) from error
    except Exception as error:  # what is no checkpoint can raise anything in torch's reader
        raise _unreadable(path, "checkpoint", error) from error


def _unreadable(path: Path, kind: str, error: Exception) -> ModelError:
    """Return the error for a file that is no weights, and say what it is where that is known."""
    try:
        with path.open("rb") as opened:
            head = opened.read(64).lstrip().lower()
    except OSError:
        head = b""
    if head.startswith(b"version https://git-lfs"):
        return ModelError(f"{path} is a pointer of Git LFS: fetch the file itself (git lfs pull)")
    if head.startswith((b"<!doctype", b"<html")):
        return ModelError(f"{path} is a web page: the download went wrong")
    if not head:
        return ModelError(f"{path} is empty (0 bytes)")
    said = str(error).partition("\n")[0][:200] or type(error).__name__
    return ModelError(f"{path} is not a readable {kind}: {said}")


def _mappable(path: Path) -> bool:
    """Return whether the tensors can stay in the file until they are copied (no second copy)."""
    return zipfile.is_zipfile(path)


def _stand_ins(path: Path) -> list[Any]:
    """Return what stands for OmegaConf's classes, where a file holds any and nothing worse."""
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a broken file or one of before torch 1.6: torch.load says what is wrong
        return []
    theirs = any(name.startswith("omegaconf.") for name in named)
    known = theirs and all(OMEGACONF.fullmatch(name) for name in named)
    return [(Inert, name) for name in named] if known else []


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, not a table of weights")
    strange = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ModelError(f"{path} holds entries that are no tensors: {_some(strange)}")
    return content
