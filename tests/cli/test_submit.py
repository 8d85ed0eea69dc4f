"""The batch file says what it asks for, and runs the same command."""

import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.core import VesaliusError


def submitted(monkeypatch, *words):
    """Return the batch file that a command line writes."""
    monkeypatch.setattr("sys.argv", ["vesalius", *words])
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    path = Path(shlex.split(done.output.partition("sbatch ")[2])[0])
    return path.read_text(), path


def test_the_file_asks_for_ranks_gpus_and_to_be_requeued(monkeypatch, tmp_path):
    text, path = submitted(
        monkeypatch, "study", "run", "quickstart", "data.n=50", "--device", "cuda",
        "--out", str(tmp_path / "a run"), "--submit", "slurm:nodes=2,tasks=4,time=08:00:00",
    )  # fmt: skip
    assert path == (tmp_path / "a run.sbatch")
    for line in ("nodes=2", "ntasks-per-node=4", "gpus-per-node=4", "cpus-per-task=8",
                 "time=08:00:00", "requeue", "signal=INT@120", "open-mode=append"):  # fmt: skip
        assert f"#SBATCH --{line}\n" in text
    assert "partition" not in text
    assert not (tmp_path / "a run").exists()


def test_the_file_is_a_script_that_runs_the_same_command(monkeypatch, tmp_path):
    text, path = submitted(
        monkeypatch, "train", "phantom", "n=50", "pretrain.epochs=1", f"--out={tmp_path / 'run'}",
        "--submit=slurm",
    )  # fmt: skip
    assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
    (line,) = (line for line in text.splitlines() if line.startswith("srun "))
    words = shlex.split(line)
    assert words[words.index("-m") + 1 :] == [
        "vesalius", "train", "phantom", "n=50", "pretrain.epochs=1", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert "gpus" not in text


def test_a_job_that_was_told_to_stop_is_requeued_and_one_that_failed_is_not(monkeypatch, tmp_path):
    text, path = submitted(
        monkeypatch, "train", "phantom", "--out", str(tmp_path / "run"), "--submit", "slurm"
    )
    for name, body in (("srun", 'exit "$CODE"'), ("scontrol", 'echo "asked: $*"')):
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    for code in (0, 2, 130):
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin", "CODE": str(code), "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n1", "SLURM_CPUS_PER_TASK": "8",
        }  # fmt: skip
        done = subprocess.run(["bash", str(path)], env=environment, capture_output=True, text=True)
        assert done.returncode == code
        assert ("asked: requeue 7" in done.stdout) == (code == 130)


@pytest.mark.parametrize(
    ("submit", "said"),
    [
        ("pbs", "unknown --submit 'pbs'"),
        ("slurm:node=2", "did you mean 'nodes'"),
        ("slurm:nodes=two", "nodes is 'two', not a whole number"),
        ("slurm:time=1\n#SBATCH", "not one word"),
    ],
)
def test_wrong_settings_are_answered(submit, said, tmp_path):
    words = ["train", "phantom", "--out", str(tmp_path / "run"), "--submit", submit]
    with pytest.raises(VesaliusError, match=said):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert not list(tmp_path.iterdir())
