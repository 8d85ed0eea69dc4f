"""What a table's columns were read as, and what was perhaps meant."""

import pytest

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.readers.manifest import manifest_columns


@pytest.fixture
def captioned(tmp_path, png, table):
    """Return a function that writes a manifest of eight images with the given further columns."""

    def make(**columns):
        for i in range(8):
            png(tmp_path / f"{i}.png")
        rows = [(f"{i}.png", *(cells[i] for cells in columns.values())) for i in range(8)]
        table(tmp_path / "manifest.csv", ("image", *columns), *rows)
        return tmp_path

    return make


def columns_of(root, **settings):
    return manifest_columns(root, read("manifest", root, **settings), **settings)


def test_a_column_of_1_and_yes_is_named_with_its_first_other_value(captioned, caplog):
    root = captioned(Edema=["1", "0", "yes", "1", "", "0", "0", "0"])
    told = columns_of(root)
    assert told.roles["attribute"] == ("Edema",)
    (hint,) = told.hints
    assert "manifest.csv, line 4 is 'yes'" in hint
    assert "'Edema' is not read as a label" in caplog.text


def test_counts_and_names_are_not_taken_for_spoilt_labels(captioned):
    root = captioned(visits=["0", "1", "2", "1", "0", "1", "3", "1"], ward=list("abcdefgh"))
    assert not columns_of(root).hints


def test_texts_and_categories_that_nobody_named_are_hinted_at(captioned):
    captions = [f"A film with {i} signs of something" for i in range(8)]
    root = captioned(caption=captions, organ=["lung", "heart"] * 4)
    assert columns_of(root).hints == (
        "no column is read as text; perhaps text=caption",
        "no column is read as labels; perhaps labels=organ",
    )
    told = columns_of(root, text="caption", labels="organ")
    assert not told.hints
    assert (told.roles["text"], told.roles["label"]) == (("caption",), ("organ",))


def test_a_column_of_patients_is_hinted_at_and_never_as_labels(captioned):
    root = captioned(Patient=["a", "b"] * 4, organ=["lung", "heart"] * 4)
    assert columns_of(root).hints == (
        "patients are unknown; perhaps patient_id=Patient",
        "no column is read as labels; perhaps labels=organ",
    )
    told = columns_of(root, patient_id="Patient", labels="organ")
    assert not told.hints


def test_a_text_is_no_column_of_categories(tmp_path, png, table):
    rows = [(f"{i}.png", f"A picture of number {i}") for i in range(30)]
    for name, _ in rows:
        png(tmp_path / name)
    table(tmp_path / "manifest.csv", ("image", "caption"), *rows)
    with pytest.raises(DataError, match=r"'caption' has 30 different values in 30 rows.*text=cap"):
        read("manifest", tmp_path, labels="caption")


def test_a_table_that_is_not_there_lists_those_that_are(captioned):
    root = captioned()
    with pytest.raises(DataError, match=r"has no nope.csv; its tables are manifest.csv"):
        read("manifest", root, file="nope.csv")


def test_a_missing_image_column_names_the_likely_one(tmp_path, png, table):
    png(tmp_path / "a.png")
    table(tmp_path / "manifest.csv", ("id", "path"), ("a", "a.png"))
    with pytest.raises(DataError, match="no column 'image' of image paths; perhaps image=path"):
        read("manifest", tmp_path)
