"""The command line: it teaches, it says what was wrong, and it never shows a traceback for it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vesalius.core import Predictions
from vesalius.evaluation import write_ledger


def vesalius(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "vesalius", *words], cwd=cwd, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "run", "quikstart"], "did you mean 'quickstart'"),
        (["study", "run", "quickstart", "pretrain.epoch=1"], "did you mean 'epochs'"),
        (["study", "run", "quickstart", "epochs"], "key=value"),
        (["data", "inspect", "nih_cxr", "."], "did you mean 'nih_cxr14'"),
        (["data", "inspect", "nih_cxr14", "nowhere"], "nowhere"),
        (["evaluate", "predictions", "gone.csv"], "gone.csv"),
    ],
)
def test_a_mistake_is_one_message_with_code_2(words, said, tmp_path):
    done = vesalius(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir()), "a mistake must leave nothing behind"


def test_debug_shows_the_traceback(tmp_path):
    done = vesalius("data", "inspect", "nih_cxr14", "nowhere", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_inspect_counts_a_folder_and_writes_its_page(tmp_path):
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        for number in range(3):
            path = tmp_path / "set" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (24, 24), dtype=np.uint8)).save(path)
    (tmp_path / "set" / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = vesalius("data", "inspect", "folder", "set", "--out", "seen", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "7 cases" in done.stdout
    assert "broken.png" in done.stdout
    assert (tmp_path / "seen" / "page.html").stat().st_size > 10_000


def test_predictions_of_another_tool_are_scored_and_compared(tmp_path):
    rng = np.random.default_rng(0)
    truths_NC = (rng.random((80, 2)) < 0.4).astype(float)
    for method, noise in (("good", 0.5), ("poor", 3.0)):
        scores_NC = 1 / (1 + np.exp(-(2 * truths_NC - 1 + noise * rng.standard_normal((80, 2)))))
        ledger = Predictions(
            scores_NC,
            truths_NC,
            ("Edema", "Nodule"),
            np.array([f"case {i}" for i in range(80)]),
            patient_ids=np.array([f"patient {i // 2}" for i in range(80)]),
            method=method,
        )
        write_ledger(tmp_path / f"{method}.csv", ledger)
    done = vesalius("evaluate", "predictions", "good.csv", "poor.csv", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    macro = {m: s[0]["value"] for m, s in scores.items() if s[0]["name"] == "macro_auroc"}
    assert macro["good"] > macro["poor"]
    assert "poor − good" in scores or "good − poor" in scores
    assert "Holm" in (tmp_path / "run" / "page.html").read_text()


def test_models_are_listed_checked_and_verified(tmp_path):
    import os

    env = {**os.environ, "VESALIUS_WEIGHTS": str(tmp_path / "weights")}

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "vesalius", "models", *words],
            cwd=tmp_path, capture_output=True, text=True, env=env,
        )  # fmt: skip

    listed = run()
    assert listed.returncode == 0, listed.stderr
    for word in ("chexzero", "licence CC-BY-NC", "gated", "wants PubMedCLIP_ViT32.pth or"):
        assert word in listed.stdout
    (tmp_path / "weights" / "bmc-clip").mkdir(parents=True)
    (tmp_path / "weights" / "bmc-clip" / "BMC_CLIP_CF.pt").write_bytes(b"not weights")
    assert "here: BMC_CLIP_CF.pt" in run().stdout
    wrong = run("verify", "bmc-clip", "weights/bmc-clip")
    assert wrong.returncode == 2
    assert "WRONG tensors" in wrong.stdout
    assert "is not what the card of bmc-clip says: tensors" in wrong.stderr
    lost = run("check", "weights")
    assert lost.returncode == 2
    assert "none of the layouts" in lost.stderr
    assert "Traceback" not in wrong.stderr + lost.stderr
