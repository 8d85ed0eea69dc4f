"""Tensors out of files that may come from anywhere. A file never runs code here.

safetensors is read as it is; ``.pt``, ``.pth`` and ``.bin`` only with ``weights_only=True``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
        tensors = read_safetensors(path)[0]
    else:
        tensors = _unwrapped(_read_pickle(path), path)
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
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error


def fill(
    module: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, ignore: Collection[str] = ()
) -> None:
    """Put tensors into a module; every name and shape must fit but those in ``ignore``.

    Raises ModelError listing the names that are missing, left over or of another shape.
    """
    wanted = module.state_dict()
    given = {name: value for name, value in tensors.items() if name in wanted or name not in ignore}
    missing = sorted(wanted.keys() - given.keys())
    surplus = sorted(given.keys() - wanted.keys())
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != wanted[name].shape
    ]
    problems = {"missing": missing, "not of this model": surplus, "of another shape": shapes}
    if any(problems.values()):
        said = "; ".join(f"{len(v)} {kind}: {_some(v)}" for kind, v in problems.items() if v)
        raise ModelError(f"{path} does not fit the model: {said}")
    module.load_state_dict(given)


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _read_pickle(path: Path) -> Any:
    from pickle import UnpicklingError

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than weights and was not opened (it could run code); "
            "ask its author for safetensors, or for a plain state dict"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(f"{path} is not a readable checkpoint: {error}") from error


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
