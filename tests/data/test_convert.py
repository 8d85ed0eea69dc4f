"""What is converted reads back equal, whatever the reader, and survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import Box, ChoiceError, DataError, Mask, Question, Regions
from vesalius.data import READERS, read, verify
from vesalius.data.convert import convert, differences
from vesalius.data.tables.questions import Questions

FEW = {"phantom": {"n": 6, "image_size": 64}}
FORMS = {"manifest": "manifest", "shards": "webdataset"}
REAL = {
    "busi": ("busi", {}),
    "medmnist": ("medmnist", {}),
    "montgomery": ("montgomery", {}),
    "nih_cxr14": ("nih_cxr14", {}),
    "vqa_rad": ("vqa_rad", {}),
    "medpix": ("manifest", {"file": "captions.csv", "text": "caption", "case_id": "image"}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", sorted(READERS))
def test_what_any_reader_gives_reads_back_equal(reader, form, layout, tmp_path):
    cases = read(reader, layout(reader), **FEW.get(reader, {}))
    done = convert(cases, tmp_path / "out", to=form, per_part=4)
    verify(cases, done.out)
    assert (done.cases, done.reader) == (len(cases), FORMS[form])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", sorted(REAL))
def test_real_folders_read_back_equal(name, form, real_data, tmp_path):
    reader, settings = REAL[name]
    cases = read(reader, real_data(name), **settings)
    cases = cases.select(np.arange(0, len(cases), max(len(cases) // 60, 1)))
    verify(cases, convert(cases, tmp_path / "out", to=form, per_part=25).out)


@pytest.fixture
def rich(cases):
    """Return cases with all that a case can have, and with names that files cannot have."""
    values = np.zeros((2, 2), bool)
    values[0, 1] = True
    masks = {"Lungs/both": Mask(values, "lungs", "a person"), "lungs both": Mask(~values, "rest")}
    boxes = (Box("Mass, left", 0.1, 1 / 3, 2.5, 1e-7),)
    made = cases(
        ["p,1", 'p"2', ""],
        [[1, np.nan, 0], [np.nan, np.nan, np.nan], [0, 1, 1]],
        ("image", " text", "a,b|c"),
        texts=np.array(['Zwei\nZeilen, "quoted" – ☤', None, "=1+1"], object),
        splits=np.array(["train", "", "test"]),
        attributes={
            "case_id": np.array(["x", "y", "0"]),
            "age": np.array([1, 2, 3]),
            "weight": np.array([0.1, np.nan, 1e300]),
            "smokes": np.array([True, False, True]),
        },
        regions=Regions([boxes, (), boxes * 2], [masks, {}, masks]),
        questions=Questions(
            [(Question("Is it?", "no", "closed"),), (), (Question("Where?", "l|r"),)]
        ),
    )
    return replace(made, case_ids=np.array(["a/b.c", "../up", "c:\\d e"]))


@pytest.mark.parametrize("form", FORMS)
def test_everything_that_a_case_can_have_reads_back_equal(form, rich, tmp_path):
    verify(rich, convert(rich, tmp_path / "out", to=form, per_part=2).out)
    again = read(FORMS[form], tmp_path / "out")
    assert {n: c.dtype.kind for n, c in again.attributes.items()} == {
        "case_id": "U", "age": "i", "weight": "f", "smokes": "b"
    }  # fmt: skip
    picked = again.select([2, 0])
    assert differences(rich.select([2, 0]), picked) == []


def test_differences_are_seen(rich):
    changed = replace(
        rich,
        labels_NC=np.nan_to_num(rich.labels_NC),
        texts=np.array(["other", None, "=1+1"], object),
        questions=Questions([(), (), ()]),
        regions=Regions([(), (), ()]),
    )
    found = " ".join(differences(rich, changed))
    assert all(word in found for word in ("labels", "text", "questions", "boxes", "masks"))
    assert differences(rich, rich.select([0])) == ["3 cases and 1"]


@pytest.mark.parametrize("form", FORMS)
def test_a_broken_image_is_left_out_and_listed(form, layout, tmp_path):
    root = layout("manifest")
    (root / "images" / "b.png").write_bytes(b"\x89PNG")
    cases = read("manifest", root)
    done = convert(cases, tmp_path / "out", to=form)
    assert [bad.name for bad in done.skipped] == ["images/b.png"]
    verify(cases, done.out)
    again = read(FORMS[form], done.out)
    assert "a" in again.case_ids
    assert "b" not in again.case_ids
    assert "images/b.png" in [bad.name for bad in again.skipped]


def test_bytes_are_kept_or_made_anew_without_metadata(layout, tmp_path):
    from PIL import Image, PngImagePlugin

    root = layout("manifest")
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", "Roe Jane")
    Image.open(root / "images" / "a.png").save(root / "images" / "a.png", pnginfo=info)
    cases = read("manifest", root)
    kept, anew = (convert(cases, tmp_path / str(k), to="shards", keep=k) for k in (True, False))
    assert b"Roe" in (kept.out / "shard-000000.tar").read_bytes()
    assert b"Roe" not in (anew.out / "shard-000000.tar").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_found(form, layout, tmp_path):
    cases = read("manifest", layout("manifest"))
    out = convert(cases, tmp_path / "out", to=form).out
    name = next(iter(json.loads((out / "index.json").read_text())["files"]))
    content = bytearray((out / name).read_bytes())
    content[len(content) // 2] ^= 1
    (out / name).write_bytes(content)
    with pytest.raises(DataError, match="1 files are damaged"):
        verify(cases, out)


def test_another_set_or_a_full_folder_is_refused(layout, tmp_path):
    cases = read("manifest", layout("manifest"))
    out = convert(cases, tmp_path / "out").out
    with pytest.raises(DataError, match="another set"):
        convert(cases.select([0]), out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        convert(cases, tmp_path / "full")
    with pytest.raises(ChoiceError, match="did you mean 'shards'"):
        convert(cases, tmp_path / "new", to="shard")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["precious.txt"]


def test_a_finished_conversion_is_not_done_again(layout, tmp_path):
    cases = read("manifest", layout("manifest"))
    first = convert(cases, tmp_path / "out", per_part=2)
    before = {p: p.stat().st_mtime_ns for p in first.out.rglob("*")}
    again = convert(cases, tmp_path / "out", per_part=2)
    assert (again.resumed, again.files) == (2, first.files)
    assert {p: p.stat().st_mtime_ns for p in first.out.rglob("*")} == before


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


SCRIPT = """
import sys
from pathlib import Path
from vesalius.data import read
from vesalius.data.convert import convert
print("begun", flush=True)
cases = read("phantom", n=40, image_size=64)
convert(cases, Path(sys.argv[1]), to=sys.argv[2], per_part=3, workers=0)
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_killed_conversion_goes_on_and_ends_with_the_same_bytes(form, tmp_path):
    cases = read("phantom", n=40, image_size=64)
    whole = contents(convert(cases, tmp_path / "whole", to=form, per_part=3).out)
    out = tmp_path / "killed"
    rng = np.random.default_rng(0)
    for _ in range(2):
        words = [sys.executable, "-c", SCRIPT, str(out), form]
        running = subprocess.Popen(words, stdout=subprocess.PIPE)
        running.stdout.readline()
        before = len(list(out.glob(".parts/part-*")))
        deadline = time.monotonic() + 20
        while len(list(out.glob(".parts/part-*"))) < before + 2 and time.monotonic() < deadline:
            if running.poll() is not None:
                break
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.02)))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        running.stdout.close()
    if not (out / "index.json").exists():
        with pytest.raises(DataError, match="was stopped"):
            read(FORMS[form], out)
    done = convert(cases, out, to=form, per_part=3)
    assert done.resumed >= 2
    assert contents(out) == whole


def test_workers_write_the_same_bytes(tmp_path):
    cases = read("phantom", n=12, image_size=64)
    alone = convert(cases, tmp_path / "a", per_part=4, workers=0)
    several = convert(cases, tmp_path / "b", per_part=4, workers=2)
    assert contents(alone.out) == contents(several.out)


def test_a_full_disk_is_an_error_of_ours(layout, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tarfile.TarFile.addfile", full)
    with pytest.raises(DataError, match="No space left"):
        convert(read("manifest", layout("manifest")), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


def test_tables_beside_a_manifest_of_ones_own_are_read(layout, table):
    root = layout("manifest")
    table(root / "boxes.csv", ("case_id", "label", "x", "y", "width", "height"),
          ("a", "Edema", 1, 2, 3, 4), ("elsewhere", "Edema", 1, 2, 3, 4))  # fmt: skip
    table(root / "questions.csv", ("case_id", "question", "answer"), ("a", "Is it?", "yes"))
    case = read("manifest", root, file="manifest.csv")[0]
    assert case.boxes == (Box("Edema", 1, 2, 3, 4),)
    assert case.questions == (Question("Is it?", "yes"),)


@pytest.mark.parametrize(
    ("rows", "said"), [(("a", "E", "x", 1, 2, 3), "four numbers"), (("a",), "line 2")]
)
def test_a_broken_table_beside_is_named_with_its_line(layout, table, rows, said):
    root = layout("manifest")
    table(root / "boxes.csv", ("case_id", "label", "x", "y", "width", "height"), rows)
    with pytest.raises(DataError, match=f"boxes.csv.*{said}|{said}.*boxes.csv"):
        read("manifest", root, file="manifest.csv")


def test_masks_beside_a_manifest_may_not_lead_out(layout, table):
    root = layout("manifest")
    table(root / "masks.csv", ("case_id", "mask", "target"), ("a", "../../etc/passwd", "lung"))
    with pytest.raises(DataError, match="leads out"):
        read("manifest", root, file="manifest.csv")
