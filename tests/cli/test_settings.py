"""One rule for settings in every verb; and no folder of another origin is written over."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.cli.options import root_and_settings
from vesalius.core import VesaliusError


@pytest.fixture
def images(tmp_path):
    """Write a manifest of eight captioned pictures, one of them broken; return its folder."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "set"
    folder.mkdir()
    lines = ["image,caption,Edema"]
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,a picture of number {i},{'yes' if i == 3 else i % 2}")
    (folder / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def said(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, VesaliusError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("reader", "word", "place"),
    [
        ("manifest", "text=caption", "data.text=caption"),
        ("manifest", "data.text=caption", "data.text=caption"),
        ("manifest", "limit=5", "data.limit=5"),
        ("manifest", "txt=caption", "data.txt=caption"),
        ("manifest", "seed=1", "seed=1"),
        ("phantom", "seed=1", "data.seed=1"),
        ("manifest", "split=side", "data.split=side"),
        ("manifest", "split.by=given", "split.by=given"),
    ],
)
def test_a_bare_key_is_the_readers_setting_a_dotted_one_a_place_in_the_recipe(reader, word, place):
    assert root_and_settings(["set", word], reader) == ("set", [place])


@pytest.mark.parametrize(
    "verb", [["data", "inspect"], ["embed"], ["evaluate", "knn"], ["train"]], ids=" ".join
)
def test_every_verb_takes_bare_settings(verb, images, tmp_path):
    model = [] if verb[0] in ("data", "train") else ["--model", "tiny"]
    words = [*verb, "manifest", images, *model, "txt=caption", "--out", tmp_path / "out"]
    assert "unknown key 'data.txt'; did you mean 'text'" in said(*words)


def test_inspect_says_what_each_column_was_read_as(images, tmp_path):
    told = said("data", "inspect", "manifest", images, "--out", tmp_path / "seen")
    assert "read as attribute: caption, Edema" in told
    assert "manifest.csv, line 5 is 'yes'" in told
    assert "perhaps text=caption" in told
    page = (tmp_path / "seen" / "page.html").read_text()
    assert "How the columns were read" in page


@pytest.mark.parametrize("verb", [["data", "inspect"], ["embed"]], ids=" ".join)
def test_a_folder_of_another_origin_is_left_as_it_is(verb, images, tmp_path):
    out = tmp_path / "out"
    model = ["--model", "tiny", "model.image_size=32", "max_bad=0.5"] if verb == ["embed"] else []
    words = [*verb, "manifest", images, *model, "--out", out]
    out.mkdir()
    (out / "page.html").write_text("mine")
    assert "page.html" in said(*words)
    assert [path.name for path in out.iterdir()] == ["page.html"]
    (out / "page.html").unlink()
    first = said(*words)
    assert said(*words).splitlines()[-1] == first.splitlines()[-1], "the same command goes on"
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert "another recipe: data differs" in said(*words, "limit=4")
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_too_many_broken_images_can_be_allowed(images, tmp_path):
    words = ["embed", "manifest", images, "--model", "tiny", "model.image_size=32"]
    words += ["--out", tmp_path / "vectors"]
    assert "or allow more, as in max_bad=0.2" in said(*words)
    assert "7 image embeddings" in said(*words, "max_bad=0.2")
