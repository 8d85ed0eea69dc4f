import json

import pytest

from vesalius.core import DataError
from vesalius.data import read

ARCHIVE = "caption_T060_filtered_top4_sep_v0_subfigures"


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_captions_and_articles_are_read(layout):
    cases = read("pmc_oa", layout("pmc_oa"))
    assert cases.case_ids[0] == "PMC212319_Fig3_4.jpg"
    assert cases.images.name(0) == "images/PMC212319_Fig3_4.jpg"
    assert cases.texts[2] == "Axial CT."
    assert cases.patient_ids.tolist() == ["PMC212319", "PMC212319", "PMC544898"]
    assert cases.splits is None


@pytest.mark.parametrize("place", [f"images/{ARCHIVE}", ARCHIVE, "."])
def test_images_may_lie_where_the_archive_unpacks_to(layout, place):
    root = layout("pmc_oa")
    (root / "images").rename(root / "away")
    (root / place).mkdir(parents=True, exist_ok=True)
    for image in (root / "away").iterdir():
        image.rename(root / place / image.name)
    assert len(read("pmc_oa", root)) == 3


def test_files_of_splits_are_read_together(layout):
    root = layout("pmc_oa")
    first, *rest = (root / "pmc_oa.jsonl").read_text().splitlines()
    (root / "pmc_oa.jsonl").unlink()
    (root / "train.jsonl").write_text("\n".join(rest))
    (root / "valid.jsonl").write_text(first)
    cases = read("pmc_oa", root)
    assert sorted(zip(cases.splits, cases.case_ids, strict=True))[-1] == (
        "validation", "PMC212319_Fig3_4.jpg"
    )  # fmt: skip
    assert cases.splits.tolist().count("train") == 2


def test_an_image_with_two_captions_is_two_cases(layout):
    root = layout("pmc_oa")
    row = {"image": "PMC544898_F1.jpg", "caption": "one"}
    lines(root / "pmc_oa.jsonl", row, row | {"caption": "two"}, {"caption": "no image"})
    cases = read("pmc_oa", root)
    assert cases.case_ids.tolist() == ["PMC544898_F1.jpg", "PMC544898_F1.jpg#2"]
    assert cases.texts.tolist() == ["one", "two"]
    assert [(s.name, s.reason) for s in cases.skipped] == [("row 3", "names no image")]


def test_keys_and_the_file_may_be_named(layout):
    root = layout("pmc_oa")
    lines(root / "own.jsonl", {"media": "images/PMC544898_F1.jpg", "sub_caption": "x"})
    for where, given in ((root, {"file": "own.jsonl"}), (root / "own.jsonl", {})):
        cases = read("pmc_oa", where, image="media", caption="sub_caption", **given)
        assert cases.texts.tolist() == ["x"]


def test_several_files_must_be_told_apart(layout):
    root = layout("pmc_oa")
    (root / "pmc_oa.jsonl").rename(root / "a.jsonl")
    lines(root / "b.jsonl", {"image": "x", "caption": "y"})
    with pytest.raises(DataError, match="a.jsonl, b.jsonl; say which it is with file="):
        read("pmc_oa", root)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "a.jpg"}, "no column 'caption'"),
        ({"caption": "a"}, "no column 'image'"),
        ({"image": "../../a.jpg", "caption": "a"}, "leads out of the folder"),
        ({"image": "a\0.jpg", "caption": "a"}, "leads out of the folder"),
        ({"image": "\ud800/a.jpg", "caption": "a"}, "no such file"),
        ({"image": "a" * 5000, "caption": "a"}, "no such file"),
        ({"image": {"bytes": "x"}, "caption": "a"}, "no such file"),
    ],
)
def test_a_wrong_line_is_named(layout, row, message):
    root = layout("pmc_oa")
    lines(root / "pmc_oa.jsonl", row)
    with pytest.raises(DataError, match=message):
        read("pmc_oa", root)
