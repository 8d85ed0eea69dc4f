"""Checkpoints: everything that a stopped training needs to go on as if nothing had happened.

``last.safetensors`` holds what changes (weights that learn, buffers, optimiser, random state) and,
as JSON in its header, the settings and how far the training is: one file, so it is whole or absent.
``best-EPOCH.safetensors`` holds the weights of the epoch with the least validation loss. Frozen
parameters are not written: they are those that the model came with. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vesalius.core import TrainingError
from vesalius.core.files import write_atomic
from vesalius.data.ranks import by_first
from vesalius.training.optimiser import learners
from vesalius.training.sharding import dealt, whole

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

FORMAT = 1
LAST = "last.safetensors"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    ``epoch`` counts finished epochs, ``step`` the finished steps of the one under way (its place in
    the sample order), ``loss_sum`` and ``weight_sum`` its training loss so far.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0
    history: tuple[dict[str, float], ...] = ()
    best_epoch: int = 0
    finished: bool = False


class Checkpoints:
    """The checkpoints of one training, in one folder. ``settings`` are plain values for JSON.

    ``average`` are further tensors, saved with the rest and restored in place.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        average: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.average = average
        self.settings = json.loads(json.dumps(dict(settings), allow_nan=False))

    def save(self, module: nn.Module, optimiser: Optimizer, progress: Progress) -> None:
        """Write ``last.safetensors``; until it is whole the one before stays.

        Every rank comes here, and the first writes.
        """
        tensors = {f"module/{name}": value for name, value in learnt(module).items()}
        for place, parameter in learners(optimiser):
            state = optimiser.state.get(parameter, {})
            tensors |= {f"optimiser/{place}/{key}": value for key, value in state.items()}
        tensors |= {f"average/{name}": value for name, value in self.average.items()}
        tensors["rng/cpu"] = torch.get_rng_state()
        device = _device(module)
        if device.type == "cuda":
            tensors["rng/cuda"] = torch.cuda.get_rng_state(device)
        header = {"format": FORMAT, "settings": self.settings, "progress": asdict(progress)}
        found = whole(tensors)
        by_first(lambda: _write(self.folder / LAST, found, header))

    def save_best(self, module: nn.Module, epoch: int) -> None:
        """Write the weights of an epoch beside the earlier best, which ``last`` still names."""
        found = whole(learnt(module))
        by_first(lambda: _write(self._best(epoch), found, {"format": FORMAT, "epoch": epoch}))

    def load_best(self, module: nn.Module, epoch: int) -> None:
        """Put the weights of the best epoch into the module."""
        tensors, _ = _read(self._best(epoch))
        _into(module, tensors, self._best(epoch))

    def forget_others(self, best_epoch: int) -> None:
        """Remove what no checkpoint names: earlier bests, and what a kill left half written."""
        for path in [*self.folder.glob("best-*.safetensors"), *self.folder.glob(".*.safetensors")]:
            if path != self._best(best_epoch):
                path.unlink(missing_ok=True)

    def restore(self, module: nn.Module, optimiser: Optimizer) -> Progress | None:
        """Put the last checkpoint into module, optimiser and random state, if there is one.

        Raises:
            TrainingError: it belongs to other settings (the first that differs is named) or to
                another model, or the file is broken.
        """
        path = self.folder / LAST
        if not path.exists():
            return None
        tensors, header = _read(path)
        if header.get("format") != FORMAT:
            raise TrainingError(f"{path} has format {header.get('format')!r}, not {FORMAT}")
        self._same_settings(header["settings"])
        parts = _by_prefix(tensors)
        _into(module, parts.get("module", {}), path)
        found = _by_prefix(parts.get("optimiser", {}))
        state = {
            index: {key: dealt(value, parameter) for key, value in found[str(place)].items()}
            for index, (place, parameter) in enumerate(learners(optimiser))
            if str(place) in found
        }
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        for parameter, own in optimiser.state.items():  # fused kernels want one memory layout
            for key, value in own.items():
                if value.shape == parameter.shape:
                    own[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        for name, value in self.average.items():
            value.copy_(dealt(parts["average"][name], value))
        torch.set_rng_state(parts["rng"]["cpu"])
        device = _device(module)
        if device.type == "cuda" and "cuda" in parts["rng"]:
            torch.cuda.set_rng_state(parts["rng"]["cuda"], device)
        return _progress(header)

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}.safetensors"

    def _same_settings(self, there: Mapping[str, Any]) -> None:
        for key in sorted({*there, *self.settings}):
            if there.get(key) != self.settings.get(key):
                raise TrainingError(
                    f"{self.folder} holds a training of other settings: {key} is "
                    f"{_short(there.get(key))} there and {_short(self.settings.get(key))} here; "
                    "choose another folder or delete that one"
                )


def recorded_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the training in a folder (none where there is no checkpoint)."""
    path = folder / LAST
    return dict(_read(path)[1].get("settings", {})) if path.exists() else {}


def recorded_progress(folder: Path) -> Progress | None:
    """Return how far the training in a folder is (None where there is no checkpoint)."""
    path = folder / LAST
    return _progress(_read(path)[1]) if path.exists() else None


def learnt(module: nn.Module) -> dict[str, Tensor]:
    """Return what training changes: parameters that learn, and buffers."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep a second process from training in the same folder; a kill releases it."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("w")
    except OSError as error:
        raise TrainingError(f"cannot write into {folder}: {error.strerror}") from error
    with opened as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(f"another process is training in {folder}") from None
        except OSError:  # a file system without locks
            with suppress(OSError):
                fcntl.lockf(lock, fcntl.LOCK_UN)
        yield


def _write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    metadata = {"vesalius": json.dumps(header, allow_nan=False)}

    def write(temporary: Path) -> None:
        try:
            save_file(_unshared(tensors), temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error

    write_atomic(path, write)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as opened:
            header = json.loads((opened.metadata() or {})["vesalius"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is not a checkpoint of a training: {error}") from None


def _into(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    there = learnt(module)
    expected = {name: tuple(value.shape) for name, value in there.items()}
    if {name: tuple(value.shape) for name, value in tensors.items()} != expected:
        raise TrainingError(f"{path} holds the weights of another model")
    own = {name: dealt(value, there[name]) for name, value in tensors.items()}
    module.load_state_dict(own, strict=False)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors of which no two share memory: safetensors refuses tied weights."""
    seen: set[int] = set()
    found = {}
    for name, value in tensors.items():
        value = value.detach().contiguous()
        if value.numel() and value.untyped_storage().data_ptr() in seen:
            value = value.clone()
        seen.add(value.untyped_storage().data_ptr())
        found[name] = value
    return found


def _by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        prefix, _, rest = name.partition("/")
        parts.setdefault(prefix, {})[rest] = value
    return parts


def _device(module: nn.Module) -> torch.device:
    return next(iter(module.state_dict().values())).device


def _progress(header: Mapping[str, Any]) -> Progress:
    progress = header["progress"]
    return Progress(**{**progress, "history": tuple(progress["history"])})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
