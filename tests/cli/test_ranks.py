"""What torchrun starts on two ranks is what one does: a study, an embedding."""

import json
import os
import subprocess
import sys

import pytest

from vesalius.studies import load_recipe, run_study

STUDY = ["quickstart", "data.n=80", "data.image_size=48", "replicates=100", "pretrain.epochs=1",
         "fine_tune.epochs=1"]  # fmt: skip
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
            "-m", "vesalius"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with the Run of one rank and that of two, and what the two printed."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = load_recipe(STUDY[0], STUDY[1:])
    run_study(recipe, folder / "1", workers=0, progress=False)
    done = subprocess.run(
        [*TORCHRUN, "study", "run", *STUDY, "--workers", "0", "--out", str(folder / "2")],
        capture_output=True, text=True, timeout=200, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_study_on_two_ranks_writes_one_page(runs):
    folder, said = runs
    names = [{path.name for path in (folder / n).iterdir()} for n in ("1", "2")]
    assert names[0] == names[1]
    assert "page.html" in names[0]
    assert said.count("page.html") == 1


def test_scores_before_training_are_equal_and_those_after_it_near(runs):
    folder, _ = runs
    one, two = (json.loads((folder / n / "scores.json").read_text()) for n in ("1", "2"))
    assert one.keys() == two.keys()
    assert one["before training"] == two["before training"]
    histories = [
        [json.loads(line) for line in (folder / n / "training/pretrain/log.jsonl").open()]
        for n in ("1", "2")
    ]
    for line, other in zip(*histories, strict=True):
        for key in {"validation_loss", "train_loss"} & line.keys():
            assert line[key] == pytest.approx(other[key], rel=1e-3)


def test_two_ranks_embed_what_one_does_and_one_goes_on_from_there(tmp_path):
    embed = ["embed", "phantom", "n=150", "image_size=48", "--model", "tiny", "--workers", "0"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    one, two = tmp_path / "one", tmp_path / "two"
    for launch, out in (
        ([sys.executable, "-m", "vesalius"], one),
        (TORCHRUN, two),
        ([sys.executable, "-m", "vesalius"], two),
    ):
        done = subprocess.run(
            [*launch, *embed, "--out", str(out)],
            capture_output=True, text=True, timeout=100, env=env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("150 image embeddings of width 256") == 1, "one rank says so"
    written = [
        {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
        for out in (one, two)
    ]
    assert len(written[0]) == 4
    assert written[0] == written[1]
    chunks = [len(list(out.glob("store/*/*.npy"))) for out in (one, two)]
    assert chunks == [1, 2], "each rank wrote its own rows, and the third call none"
