"""Ranks: the processes of one job, started by ``torchrun`` or ``srun``, that share the work.

Without a launcher there is one rank, number 0 of 1, and nothing here does anything. Torch is not
loaded to know it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from vesalius.core.errors import DataError, RankError, VesaliusError

log = logging.getLogger(__name__)

T = TypeVar("T")

HOST, PORT = "127.0.0.1", 29500
SECONDS_SILENT = 1800.0  # a rank that says nothing for so long is given up
SECONDS_WAITING = 7 * 24 * 3600.0  # while the first rank works alone; its death is seen at once


@dataclass(frozen=True, slots=True)
class Place:
    """Where this process stands in its job: ``rank`` of ``world``, ``local`` on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0
    host: str = HOST
    port: int = PORT


@dataclass(slots=True)
class _Job:
    place: Place
    talk: Any = None  # a process group on the CPU, for short messages


_job = _Job(Place())


def rank() -> int:
    """Return the number of this process in its job."""
    return _job.place.rank


def world() -> int:
    """Return how many processes share the work."""
    return _job.place.world


def own_device(device: str) -> str:
    """Return the device of this rank: ``cuda`` is the one with its number on its machine."""
    return f"cuda:{_job.place.local}" if device == "cuda" and world() > 1 else device


def placed(environment: Mapping[str, str]) -> Place:
    """Return where a process stands by what ``torchrun``, or SLURM's ``srun``, told it.

    A batch script itself, outside ``srun``, is one process.

    >>> placed({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}).rank
    1
    >>> placed({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5",
    ...         "SLURM_LOCALID": "1", "SLURM_JOB_NODELIST": "gpu[03-04]"}).host
    'gpu03'

    Raises:
        DataError: a value is no number, or contradicts another.
    """
    try:
        if "RANK" in environment and "WORLD_SIZE" in environment:
            found = Place(
                int(environment["RANK"]),
                int(environment["WORLD_SIZE"]),
                int(environment.get("LOCAL_RANK", environment["RANK"])),
                environment.get("MASTER_ADDR", HOST),
                int(environment.get("MASTER_PORT", PORT)),
            )
        elif "SLURM_STEP_ID" in environment and "SLURM_PROCID" in environment:
            tasks = environment.get("SLURM_STEP_NUM_TASKS", environment.get("SLURM_NTASKS", "1"))
            nodes = environment.get("SLURM_JOB_NODELIST", "")
            port = 15000 + int(environment.get("SLURM_JOB_ID", "0")) % 20000
            found = Place(
                int(environment["SLURM_PROCID"]),
                int(tasks),
                int(environment.get("SLURM_LOCALID", "0")),
                environment.get("MASTER_ADDR", first_host(nodes) or HOST),
                int(environment.get("MASTER_PORT", port)),
            )
        else:
            return Place()
    except ValueError as error:
        raise DataError(f"RANK, WORLD_SIZE or their likes in the environment: {error}") from None
    if not 0 <= found.rank < found.world:
        raise DataError(f"this process is rank {found.rank} of {found.world}: there is none such")
    return found


def first_host(nodes: str) -> str:
    """Return the first host of SLURM's short form of a list.

    >>> first_host("gpu[003-007,009],cpu1"), first_host("n1-[2,4]x"), first_host("alone")
    ('gpu003', 'n1-2x', 'alone')
    """
    first = re.match(r"[^,\[]*(?:\[[^\]]*\])?[^,\[]*", nodes)
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", first[0]) if first else ""


@contextmanager
def ranks(device: str = "cpu", *, silent: float = SECONDS_SILENT) -> Iterator[Place]:
    """Join the job that this process was started in; within the block the ranks work together.

    Args:
        device: what is computed on; ``cuda`` exchanges what lies there by NCCL, all else by gloo.
        silent: seconds after which a rank that does not answer is given up.

    Raises:
        RankError: another rank has ended, or does not answer; at the beginning or later.
    """
    place = placed(os.environ)
    if place.world == 1 or world() > 1:
        yield _job.place
        return
    import torch
    import torch.distributed as dist

    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(place.local)
    with told():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            init_method="env://"
            if "TORCHELASTIC_RUN_ID" in os.environ
            else f"tcp://{place.host}:{place.port}",
            rank=place.rank,
            world_size=place.world,
            timeout=timedelta(seconds=silent),
        )
        _job.talk = dist.new_group(backend="gloo", timeout=timedelta(seconds=SECONDS_WAITING))
    _job.place = place
    well = False
    try:
        yield place
        barrier()
        well = True
    finally:
        _job.place, _job.talk = Place(), None
        if well or not on_gpu:  # NCCL would wait for what others never send
            dist.destroy_process_group()


@contextmanager
def told() -> Iterator[None]:
    """Turn what an exchange says when a process is gone into an error that says so."""
    try:
        yield
    except VesaliusError:
        raise
    except RuntimeError as error:
        raise lost(error) from error


def lost(error: RuntimeError) -> RankError:
    """Return the error that says that another rank is gone."""
    return RankError(
        f"rank {rank()} of {world()} lost the others: one of them has ended or does not answer "
        "(its own message says why); what was saved last is as it was, and the same command "
        f"goes on from there ({str(error).splitlines()[0][:200]})"
    )


@contextmanager
def alone() -> Iterator[None]:
    """Let this rank do something without the others: within the block it is the only one."""
    place = _job.place
    _job.place = Place(local=place.local)
    try:
        yield
    finally:
        _job.place = place


def barrier() -> None:
    """Wait until every rank is here."""
    gathered_objects(None)


def gathered_objects(value: T) -> list[T]:
    """Return the value of each rank, in their order."""
    if world() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] = [None] * world()
    with told():
        dist.all_gather_object(found, value, group=_job.talk)
    return found


def by_first(function: Callable[[], T]) -> T:
    """Let the first rank do something; every rank returns its value, or raises its error."""
    if world() == 1:
        return function()
    import torch.distributed as dist

    said: list[Any] = [None, None]
    if rank() == 0:
        try:
            with alone():
                said[0] = function()
        except VesaliusError as error:
            said[1] = error
    with told():
        dist.broadcast_object_list(said, src=0, group=_job.talk)
    if said[1] is not None:
        raise said[1]
    value: T = said[0]
    return value


def agreed(value: T) -> T:
    """Return the first rank's value, on every rank."""
    return by_first(lambda: value)


def any_of(mine: bool, first: bool) -> tuple[bool, bool]:
    """Return whether ``mine`` holds on any rank, and whether ``first`` does on the first one."""
    if world() == 1:
        return mine, first
    import torch
    import torch.distributed as dist

    flags = torch.tensor([mine, first and rank() == 0], dtype=torch.int32)
    with told():
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=_job.talk)
    return bool(flags[0]), bool(flags[1])
