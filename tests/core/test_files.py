"""A file is whole or it is the old one, whatever happens in between."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from vesalius.core import Run, VesaliusError
from vesalius.core.files import read_json, slug, write_atomic, write_json


def test_a_kill_within_a_write_leaves_the_old_file(tmp_path):
    path = write_atomic(tmp_path / "a.txt", "old")

    def half(temporary):
        temporary.write_text("ne")
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        write_atomic(path, half)
        os._exit(0)  # not reached
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert path.read_text() == "old"


def test_an_error_within_a_write_leaves_the_old_file_alone(tmp_path):
    path = write_atomic(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError):
        write_atomic(path, lambda temporary: 1 / 0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_atomic(tmp_path / "a.txt", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_where_a_file_should_be_is_named(tmp_path):
    with pytest.raises(VesaliusError, match=str(tmp_path)):
        write_atomic(tmp_path, "x")


def test_json_holds_no_nan_and_a_broken_one_is_named(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(VesaliusError, match=r"b\.json is not valid JSON"):
        read_json(tmp_path / "b.json")
    with pytest.raises(VesaliusError, match=r"c\.json"):
        read_json(tmp_path / "c.json")


@pytest.mark.parametrize("name", ["a/b", "../up", "", "Ünïcode", "a  b", "…"])
def test_a_slug_is_a_file_name(name):
    assert slug(name)
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_run_goes_on_with_its_recipe_and_refuses_another(tmp_path):
    run = Run.open(tmp_path / "run", {"seed": 0})
    assert Run.open(tmp_path / "run", {"seed": 0}) == run
    with pytest.raises(VesaliusError, match="another recipe"):
        Run.open(tmp_path / "run", {"seed": 1})
    assert run.recipe() == {"seed": 0}


def test_a_refused_recipe_is_told_by_the_first_setting_that_differs_however_deep(tmp_path):
    Run.open(tmp_path / "run", {"pretrain": {"epochs": 1, "settings": {"tile": 8}, "clip": None}})
    with pytest.raises(
        VesaliusError, match=r"pretrain differs \(pretrain.settings.tile is 4 here, 8"
    ):
        Run.open(tmp_path / "run", {"pretrain": {"epochs": 1, "settings": {"tile": 4}}})
    with pytest.raises(VesaliusError, match=r"\(pretrain is None here, \{'epochs': 1"):
        Run.open(tmp_path / "run", {"pretrain": None})


def test_an_environment_names_versions_and_nobody(tmp_path):
    versions = Run.open(tmp_path / "run", {}).environment()
    assert versions["vesalius"]
    assert versions["python"][0] == "3"
    assert str(Path.home()) not in json.dumps(versions)


def test_a_folder_of_other_files_is_not_taken_for_a_run(tmp_path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(VesaliusError, match=r"another origin \(page.html\).*--out"):
        Run.open(tmp_path, {"seed": 0})
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
