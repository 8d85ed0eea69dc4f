"""Memory: which batch fits, and what to turn where it runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vesalius.core import TrainingError
from vesalius.data.ranks import alone, gathered_objects
from vesalius.training.checkpoint import Checkpoints, Progress, learnt, recorded_settings
from vesalius.training.distributed import is_asked
from vesalius.training.optimiser import make_optimiser
from vesalius.training.peak import forget_peak, line_of, of_process
from vesalius.training.running import Run, Task
from vesalius.training.settings import AUTO, Conditions, Optimisation
from vesalius.training.step import learning_mode, take_step

log = logging.getLogger(__name__)

SHARE = 0.6  # of a CPU's free memory that a step may take: prepared images are kept there too
CPU_MESSAGES = ("not enough memory", "can't allocate memory", "cannot allocate memory")


def with_sizes(task: Task, optimisation: Optimisation, conditions: Conditions) -> Optimisation:
    """Return the optimisation with a number where batch_size or micro_batch is ``auto``.

    It is the number of the folder's checkpoint, or the largest power of two whose step fits: found
    by steps on the first training cases, after which weights and random state are as before. A
    whole ``batch_size`` stands for ``micro_batch`` where it fits. Of many ranks each tries alone,
    and the smallest number holds.

    Raises:
        TrainingError: not even two cases fit.
    """
    name = next((n for n in ("batch_size", "micro_batch") if getattr(optimisation, n) == AUTO), "")
    if not name:
        return optimisation
    before = recorded_settings(Path(conditions.folder)).get(name)
    if before is not None:
        return _with(optimisation, name, before)
    if is_asked(conditions):
        raise TrainingError(f"shard: {name}=auto is found by one rank alone; give a number")
    with alone(), _as_before(task, conditions):
        trial = _Trial(task, optimisation, conditions)
        whole = optimisation.batch_size
        if isinstance(whole, str):
            most = task.sizes["train"]
            found = largest(lambda size: trial(size, optimisation.micro_batch), powers(most))
        else:
            sizes = [*(size for size in powers(whole) if size < whole), whole]
            found = largest(lambda size: trial(min(2 * size, whole), size), sizes)
            while found > 2 and 2 * found < whole and not trial(whole, found):
                found //= 2  # the objective needs memory of its own
    found = min(gathered_objects(found))
    if not found:
        raise TrainingError(f"{name}=auto: not even two cases fit into memory")
    log.info("%s=auto: %d cases fit", name, found)
    return _with(optimisation, name, found)


def powers(most: int) -> list[int]:
    """Return the powers of two from 2 on.

    >>> powers(20)
    [2, 4, 8, 16]
    """
    return [2**i for i in range(1, most.bit_length())]


def largest(fits: Callable[[int], bool], sizes: Iterable[int]) -> int:
    """Return the last of rising sizes before the first that does not fit; 0 where none does.

    >>> largest(lambda size: size <= 5, [2, 4, 8])
    4
    """
    found = 0
    for size in sizes:
        if not fits(size):
            break
        found = size
    return found


@contextmanager
def explained(optimisation: Optimisation, conditions: Conditions) -> Iterator[None]:
    """Say what to turn where memory runs out, or where a model cannot be compiled."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if is_out_of_memory(error):
            raise TrainingError(
                f"out of memory on {conditions.device} with {_cases(optimisation)} cases at a "
                f"time: {_advice(optimisation, conditions)}; the last checkpoint is as it was "
                f"({lines[0]})"
            ) from None
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise TrainingError(
                f"this model cannot be compiled here; train it with compile=false ({lines[0]})"
            ) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the accelerator or the machine, ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(said in text for said in CPU_MESSAGES)


def _with(optimisation: Optimisation, name: str, size: int) -> Optimisation:
    changes: dict[str, Any] = {name: size}
    return replace(optimisation, **changes)


def _cases(optimisation: Optimisation) -> int:
    sizes = optimisation.batch_size, optimisation.micro_batch
    return min(size for size in sizes if isinstance(size, int))


def _advice(optimisation: Optimisation, conditions: Conditions) -> str:
    fewer = _cases(optimisation) // 2
    ways = []
    if fewer >= 2:
        ways.append(f"micro_batch={fewer} (the same objective, in less memory)")
    if not conditions.recompute:
        ways.append("recompute=true")
    if optimisation.precision != "bf16":
        ways.append("precision=bf16")
    return f"try {', then '.join([*ways, 'smaller images'])}"


@dataclass(slots=True)
class _Trial:
    """Whether a step fits. On a CPU it is not tried unless the steps before it say that it will:
    there, what does not fit ends the process. From one size to the next the need at least doubles,
    and grows as it last grew (up to fourfold: a matrix of logits).
    """

    task: Task
    optimisation: Optimisation
    conditions: Conditions
    room: float = field(init=False)
    base: float = field(init=False)
    needs: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.room, self.base = SHARE * available_bytes(), of_process("VmRSS")

    def __call__(self, size: int, micro_batch: Any) -> bool:
        on_cpu = torch.device(self.conditions.device).type == "cpu"
        if on_cpu and self._expected(size) > self.room:
            return False
        forget_peak(self.conditions.device)
        try:
            self._step(size, micro_batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        self.needs.append((size, max(of_process("VmHWM") - self.base, 1.0)))
        return not on_cpu or self.needs[-1][1] <= self.room

    def _expected(self, size: int) -> float:
        if not self.needs:
            return 0.0
        last, need = self.needs[-1]
        growth = need / self.needs[-2][1] if len(self.needs) > 1 else 2.0
        return need * min(max(growth, 2.0), 4.0) * size / (2 * last)

    def _step(self, size: int, micro_batch: Any) -> None:
        optimisation = replace(self.optimisation, batch_size=size, micro_batch=micro_batch)
        run = Run(
            self.task,
            make_optimiser(self.task.parameters(), optimisation),
            optimisation,
            self.conditions,
            Checkpoints(Path(self.conditions.folder), {}),
            Progress(),
        )
        group = np.arange(size)
        for parts in run.in_parts("train", [group]):
            take_step(run, group, parts, 0)


@contextmanager
def _as_before(task: Task, conditions: Conditions) -> Iterator[None]:
    """Give weights, gradients and random state back as they were."""
    device = torch.device(conditions.device)
    weights = {name: value.to("cpu", copy=True) for name, value in learnt(task.module).items()}
    learning_mode(task.module)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            task.module.load_state_dict(weights, strict=False)
            task.module.zero_grad(set_to_none=True)


def available_bytes() -> float:
    """Return the memory that this process may still take (infinite where nobody says)."""
    found = [line_of(Path("/proc/meminfo"), "MemAvailable")]
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no group, or one without a limit ("max")
        limit = int((group / "memory.max").read_text())
        found.append(limit - int((group / "memory.current").read_text()))
    return min((value for value in found if value), default=float("inf"))
