"""The command line: it teaches, it says what was wrong, and it never shows a traceback for it."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vesalius.cli.terminal import print_inspection
from vesalius.core import Predictions
from vesalius.data import inspect, read
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


def test_the_terminal_names_copies_across_splits(tmp_path, capsys):
    found = replace(
        inspect(read("phantom", n=4, image_size=64)), duplicates_across_splits=3, no_label=2
    )
    print_inspection(found, tmp_path / "page.html")
    said = capsys.readouterr().out
    assert "images that occur in several splits: 3" in said
    assert "2 cases where every label is known to be absent" in said


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


def ledger_file(path, splits, head="case_id,label,score,truth,split"):
    rows = [f"c{i},x,{0.1 + i / 20},{i % 2},{split}" for i, split in enumerate(splits)]
    path.write_text("\n".join([head, *rows]) + "\n")


def test_only_test_rows_are_scored_whatever_the_splits_are_called(tmp_path):
    ledger_file(tmp_path / "own.csv", ["Val"] * 6 + ["Testing"] * 10)
    done = vesalius("evaluate", "predictions", "own.csv", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["own"][0]["n"] == 10


def test_rows_without_a_test_split_are_not_scored_as_test(tmp_path):
    ledger_file(tmp_path / "own.csv", ["train"] * 6 + ["val"] * 10)
    done = vesalius("evaluate", "predictions", "own.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "no row is of the test split, only of train, validation" in done.stderr


def test_the_hint_at_columns_of_another_name_works(tmp_path):
    ledger_file(tmp_path / "own.csv", ["test"] * 10, head="case_id,label,prob,truth,split")
    done = vesalius("evaluate", "predictions", "own.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "name another with score=…" in done.stderr
    words = ["evaluate", "predictions", "own.csv", "score=prob", "--out", "run"]
    done = vesalius(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


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


def test_findings_are_counted_shown_and_written(tmp_path):
    done = vesalius("data", "findings", "phantom", "n=40", "--out", "found.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Pneumothorax" in done.stdout
    assert (tmp_path / "found.csv").read_text().startswith("case_id,finding,state,start,end")
    shown = vesalius(
        "data", "findings", "phantom", "n=40", "--show", "Pleural Effusion", cwd=tmp_path
    )
    assert "[pleural effusion]" in shown.stdout
    wrong = vesalius("data", "findings", "phantom", "n=40", "--show", "Effusion", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean 'Pleural Effusion'" in wrong.stderr
