import numpy as np
import pytest

from vesalius.core import CaseSet, DataError, Skipped
from vesalius.data.images import ImageFiles, presence
from vesalius.data.images.presence import inside, with_images


def of_paths(root, paths):
    return CaseSet(
        case_ids=np.array([f"case{i}" for i in range(len(paths))]),
        images=ImageFiles(root, paths),
        labels_NC=np.zeros((len(paths), 0)),
        source="made",
    )


def test_missing_and_empty_images_are_left_out_and_listed(tmp_path, png):
    png(tmp_path / "a" / "here.png")
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "a" / "folder.png").mkdir()
    (tmp_path / "a" / "dangling.png").symlink_to(tmp_path / "a" / "nowhere")
    paths = [
        "a/empty.png", "a/here.png", "a/gone.png", "b/gone.png", "", "a/folder.png",
        "a/dangling.png",
    ]  # fmt: skip
    cases = with_images(of_paths(tmp_path, paths))
    assert cases.case_ids.tolist() == ["case1"]
    assert cases.skipped == (
        Skipped("a/empty.png", "empty file (0 bytes)"),
        Skipped("a/gone.png", "no such file"),
        Skipped("b/gone.png", "no such file"),
        Skipped("case4", "names no image"),
        Skipped("a/folder.png", "not a file"),
        Skipped("a/dangling.png", "not a file"),
    )


def test_when_no_image_is_there_the_first_is_named(tmp_path):
    with pytest.raises(DataError, match=r"not one of 2 images is there.*x/a.png: no such file"):
        with_images(of_paths(tmp_path, ["x/a.png", "x/b.png"]))


def test_backslashes_are_pointed_out(tmp_path):
    with pytest.raises(DataError, match="paths are written with '/'"):
        with_images(of_paths(tmp_path, ["x\\a.png"]))


@pytest.mark.parametrize("link", ["file", "folder"])
def test_links_out_of_the_root_stop_the_reader(tmp_path, png, link):
    outside, root = tmp_path / "outside", tmp_path / "root"
    png(outside / "a.png")
    png(root / "b.png")
    if link == "file":
        (root / "in").mkdir()
        (root / "in" / "a.png").symlink_to(outside / "a.png")
    else:
        (root / "in").symlink_to(outside)
    with pytest.raises(DataError, match="leads out of the folder"):
        with_images(of_paths(root, ["b.png", "in/a.png"]))


def test_links_inside_the_root_are_fine(tmp_path, png):
    png(tmp_path / "store" / "a.png")
    (tmp_path / "images").symlink_to(tmp_path / "store")
    assert len(with_images(of_paths(tmp_path, ["images/a.png"]))) == 1


@pytest.mark.parametrize("path", ["..", "../a", "a/../../b", "/etc/passwd", "a\0.png", "/"])
def test_paths_that_lead_out_are_refused(tmp_path, path):
    with pytest.raises(DataError, match="leads out of the folder"):
        inside(tmp_path, path)


def test_a_neighbour_that_begins_like_the_root_is_outside(tmp_path):
    with pytest.raises(DataError, match="leads out"):
        inside(tmp_path / "root", str(tmp_path / "root-2" / "a.png"))


@pytest.mark.parametrize("path", ["a/b.png", "./a/b.png", "a//b.png", "a/c/../b.png"])
def test_paths_come_in_their_simplest_form(tmp_path, path):
    assert inside(tmp_path, path) == "a/b.png"
    assert inside(tmp_path, str(tmp_path / "a" / "b.png")) == "a/b.png"


def test_every_folder_is_listed_once_in_whatever_order_the_rows_come(tmp_path, png, monkeypatch):
    paths = [f"{folder}/{i}.png" for i in range(3) for folder in "abc"]
    for path in paths:
        png(tmp_path / path)
    listed, scandir = [], presence.os.scandir
    monkeypatch.setattr(presence.os, "scandir", lambda p: (listed.append(p), scandir(p))[1])
    cases = with_images(of_paths(tmp_path, [*paths, "d/gone.png", paths[0]]))
    assert len(cases) == 10
    assert sorted(path.name for path in listed) == ["a", "b", "c", "d"]


def test_a_path_of_a_thousand_folders_is_no_such_file(tmp_path, png):
    png(tmp_path / "a.png")
    cases = with_images(of_paths(tmp_path, ["a/" * 1900 + "a.png", "a.png", "b/" * 9000 + "a.png"]))
    assert [s.reason for s in cases.skipped] == ["no such file"] * 2


def test_a_link_above_the_folder_of_an_image_is_followed_no_further(tmp_path, png):
    outside, root = tmp_path / "outside", tmp_path / "root"
    png(outside / "deep" / "er" / "a.png")
    png(root / "b.png")
    (root / "in").symlink_to(outside)
    with pytest.raises(DataError, match="'in/deep/er' leads out of the folder"):
        with_images(of_paths(root, ["b.png", "in/deep/er/a.png"]))
