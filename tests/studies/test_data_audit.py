"""The audit from the command line: its page shows what was found, and names nobody."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.data import read


@pytest.fixture
def bad_set(tmp_path):
    """Write films with a shared patient, a copy with other labels, a name and a broken file."""
    films = read("phantom", n=6, image_size=96)
    root = tmp_path / "set"
    root.mkdir()
    for i in range(6):
        Image.fromarray(films.images[i]).save(root / f"{i}.png")
    Image.fromarray(films.images[0]).save(root / "Dr_Millerowsky_copy.png")
    (root / "broken.png").write_bytes(b"\x89PNG")
    rows = [[f"{i}.png", f"p{i}", "train", "Clear.", 0] for i in range(6)]
    rows += [["Dr_Millerowsky_copy.png", "p1", "test", "Seen by Dr. Millerowsky 2019-03-14.", 1]]
    rows += [["broken.png", "p9", "test", "<script>alert(1)</script>", ""]]
    with (root / "manifest.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["image", "patient_id", "split", "text", "Edema"], *rows])
    return root


def run(*words):
    return CliRunner().invoke(app, ["data", "audit", *map(str, words)])


def test_what_is_planted_is_on_the_page_and_nobody_is_named(bad_set, tmp_path):
    done = run("manifest", bad_set, "--out", tmp_path / "out", "--workers", "0")
    assert done.exit_code == 0, done.output
    kinds = {
        f["kind"] for f in json.loads((tmp_path / "out" / "findings.json").read_text())["findings"]
    }
    assert {"patients", "exact_across", "contradictions", "unreadable", "identifiers"} <= kinds
    written = done.output
    for name in ("page.html", "findings.json", "hashes.csv"):
        written += (tmp_path / "out" / name).read_text()
    assert "Millerowsky" not in written
    assert "2019-03-14" not in written
    assert "<script" not in written
    assert "data:image/jpeg" in written


def test_strict_fails_for_a_finding_and_only_then(bad_set, tmp_path):
    assert (
        run("manifest", bad_set, "--out", tmp_path / "a", "--strict", "--workers", "0").exit_code
        == 1
    )
    rng = np.random.default_rng(0)
    good = tmp_path / "good" / "kind"
    good.mkdir(parents=True)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (90, 90), dtype=np.uint8)).save(good / f"{i}.png")
    done = run("folder", tmp_path / "good", "--out", tmp_path / "b", "--strict", "--workers", "0")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "b" / "page.html").read_text()
    unchecked = page.partition("Could not be looked for")[2].partition("<")[0]
    clear = page.partition("Looked for and not found")[2].partition("<")[0]
    assert "patients" in unchecked
    assert "patients in several splits" not in clear


def test_another_set_and_its_settings_are_taken(bad_set, tmp_path):
    done = run(
        "manifest", bad_set, "--against", "manifest", bad_set, "against.text=split",
        "--out", tmp_path / "out", "--workers", "0",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "shared with the other set" in done.output


def test_settings_of_another_set_need_one(bad_set, tmp_path):
    done = run("manifest", bad_set, "against.text=split", "--out", tmp_path / "out")
    assert done.exit_code != 0
    assert "no --against" in str(done.exception)
