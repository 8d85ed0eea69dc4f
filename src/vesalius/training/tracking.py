"""What a training writes down while it runs: ``log.jsonl``, and TensorBoard where asked for."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from vesalius.core import TrainingError
from vesalius.core.files import write_atomic

LOG = "log.jsonl"


class Track:
    """One JSON object a line, with ``epoch`` (from 1) and ``step`` (from 1, over all epochs).

    The line that ends an epoch has a ``validation_loss``. A training that goes on after some
    epochs and steps first drops the lines that it will write again.
    """

    def __init__(
        self, folder: Path, *, epochs: int = 0, steps: int = 0, tensorboard: bool = False
    ) -> None:
        path = folder / LOG
        kept = [
            line
            for line in _lines(path)
            if line["step"] <= steps and ("validation_loss" not in line or line["epoch"] <= epochs)
        ]
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")
        self._board = _board(folder, steps) if tensorboard else None

    def write(self, **values: float) -> None:
        """Add a line; ``step`` must be among the values."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                if name not in ("epoch", "step"):
                    self._board.add_scalar(name, value, int(values["step"]))

    def __enter__(self) -> Track:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


class NoTrack:
    """What a rank other than the first writes down: nothing."""

    def write(self, **values: float) -> None: ...
    def __enter__(self) -> NoTrack:
        return self

    def __exit__(self, *exception: object) -> None: ...


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log; a kill may have cut the last one."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and {"epoch", "step"} <= values.keys():
            found.append(values)
    return found


def _board(folder: Path, steps: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(
            "tensorboard=true needs the package tensorboard: pip install 'vesalius[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=steps + 1 if steps else None)
