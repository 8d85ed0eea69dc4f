"""``--submit slurm``: the same command as a batch job, in a file that can be read and changed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from vesalius.core.errors import VesaliusError, unknown

SETTINGS = {
    "nodes": "1",
    "tasks": "1",
    "cpus": "8",
    "time": "24:00:00",
    "partition": "",
    "gpus": "",
}
SECONDS_TO_SAVE = 120
STOPPED = 130  # the exit code of a training that saved and ended because it was told to
WITH_VALUE = ("--submit", "--out", "-o")


def write_batch_file(submit: str, folder: Path, *, device: str, arguments: Sequence[str]) -> Path:
    """Write a batch file beside the Run's folder; return its path.

    Args:
        submit: ``slurm``, or with settings ``slurm:nodes=2,tasks=4,time=08:00:00``.
        arguments: those of the program; ``--submit`` is taken out, ``--out`` made absolute.

    Raises:
        VesaliusError: another system, an unknown setting, or the file cannot be written.
    """
    from vesalius.core.files import write_atomic

    settings = _settings(submit)
    folder = folder.expanduser().absolute()
    words = [sys.executable, "-m", "vesalius", *_without(arguments), "--out", str(folder)]
    text = batch_text(
        shlex.join(words), settings, folder=folder, place=Path.cwd(), on_gpu=device == "cuda"
    )
    return write_atomic(folder.with_name(f"{folder.name}.sbatch"), text)


def batch_text(
    command: str, settings: dict[str, str], *, folder: Path, place: Path, on_gpu: bool
) -> str:
    """Return the text of a batch file: one rank a task, requeued until the work is done."""
    gpus = settings["gpus"] or (settings["tasks"] if on_gpu else "")
    asked = {
        "job-name": folder.name,
        "nodes": settings["nodes"],
        "ntasks-per-node": settings["tasks"],
        "gpus-per-node": gpus,
        "cpus-per-task": settings["cpus"],
        "time": settings["time"],
        "partition": settings["partition"],
        "output": f"{folder}.%j.log",
        "open-mode": "append",
        "signal": f"INT@{SECONDS_TO_SAVE}",
    }
    lines = "\n".join(f"#SBATCH --{key}={value}" for key, value in asked.items() if value)
    return f"""#!/bin/bash
{lines}
#SBATCH --requeue

# A task is a rank. {SECONDS_TO_SAVE} seconds before the time is up each is told to stop:
# it saves and ends with code {STOPPED}, and the job goes back into the queue. It does so too
# when it is preempted. The same command then goes on from the last checkpoint.

cd {shlex.quote(str(place))} || exit 1
export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_PORT="$((15000 + SLURM_JOB_ID % 20000))"
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"

srun --cpus-per-task="$SLURM_CPUS_PER_TASK" {command}
code=$?
if [ "$code" -eq {STOPPED} ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def _settings(submit: str) -> dict[str, str]:
    system, _, given = submit.partition(":")
    if system != "slurm":
        raise unknown("--submit", system, ["slurm"])
    settings = dict(SETTINGS)
    for assignment in filter(None, given.split(",")):
        key, _, value = assignment.partition("=")
        if key not in SETTINGS:
            raise unknown("setting of --submit slurm", key, SETTINGS)
        counted = key not in ("time", "partition")
        if not value or any(sign.isspace() for sign in value) or counted and not value.isdigit():
            kind = "a whole number" if counted else "one word"
            raise VesaliusError(f"--submit slurm: {key} is {value!r}, not {kind}")
        settings[key] = value
    return settings


def _without(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without ``--submit`` and ``--out``, in both of their forms.

    >>> _without(["train", "--submit=slurm", "folder", "x", "-o", "here", "--device", "cuda"])
    ['train', 'folder', 'x', '--device', 'cuda']
    """
    kept, skip = [], False
    for word in arguments:
        if skip:
            skip = False
        elif word in WITH_VALUE:
            skip = True
        elif not word.startswith(("--submit=", "--out=")):
            kept.append(word)
    return kept
