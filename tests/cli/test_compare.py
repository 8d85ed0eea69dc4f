"""``vesalius compare``: which comparison two words ask for, what it prints, what it refuses."""

import numpy as np
import pytest
from typer.testing import CliRunner

from vesalius import embedding
from vesalius.cli import app
from vesalius.core import Embeddings

PHANTOM = ["data.n=60", "data.image_size=48", "model.image_size=32", "permutations=19"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Stand beside the embeddings ``near``, ``far`` and ``turned`` (the cases of near)."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(30, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    for name, values, of in (
        ("near", near, "near"), ("far", near + 2, "far"), ("turned", near @ turn, "near"),
    ):  # fmt: skip
        ids = np.array([f"{of}{i}" for i in range(30)])
        embedding.save(Embeddings(values, ids, "image", {"model": "toy"}), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(*words):
    done = CliRunner().invoke(app, ["compare", *words])
    return done, " ".join((done.output + (str(done.exception) if done.exception else "")).split())


def test_two_folders_of_other_cases_print_a_sentence_to_quote_and_where_the_page_is(here):
    done, said = compare("near", "far", "permutations=99", "maps=[pca]", "--out", "run")
    assert done.exit_code == 0, said
    assert "The embeddings of near and far differ: MMD²" in said
    assert "p = 0.01 by 99 relabellings of cases, the smallest that these can give" in said
    assert "run/page.html" in said
    assert (here / "run" / "scores.json").is_file()


def test_two_folders_of_the_same_cases_are_read_as_pairs(here):
    done, said = compare("near", "turned", "permutations=19", "maps=[pca]", "--out", "run")
    assert done.exit_code == 0, said
    assert "debiased linear CKA of 1.000" in said
    assert "its p-value is shown, not read" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["near", "nowhere"], "nowhere is no folder of embeddings"),
        (["near", "far", "--paired"], "not of the same cases"),
        (["near", "far", "permutatons=9"], "did you mean 'permutations'"),
        (["near", "far", "permutations=3"], "greater than or equal to 19"),
        (["near", "far", "kernel=rfb"], "compare.kernel is 'rfb'"),
        (["a", "b", "--on", "phantom", "-", "--paired"], "--paired is for two folders"),
        (["site=A", "B", "--on", "phantom", "-", "-m", "tiny"], "two values of one attribute"),
        (["site=A", "site=B", "--on", "phantom", "-"], "name the model (--model)"),
        (["near", "far", "-m", "tiny"], "folders of embeddings"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(words, said, here):
    done, told = compare(*words)
    assert done.exit_code != 0
    assert said in told


def test_two_groups_of_one_set_are_compared_by_one_model(here):
    words = ["site=A", "site=B", "--on", "phantom", "", "-m", "tiny", *PHANTOM, "maps=[pca]"]
    done, said = compare(*words, "--out", "run")
    assert done.exit_code == 0, said
    assert "site A and site B" in said
    assert "relabellings of patients" in said
    assert (here / "run" / "page.html").is_file()
