import tracemalloc

import pytest

from vesalius.core import DataError
from vesalius.data.tables.table import read_table, read_text, text_column


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cells_are_stripped_and_blank_lines_passed_over(tmp_path):
    table = read_table(written(tmp_path / "t.csv", "a , b\n 1 ,\n\n , \n3,4\n"))
    assert table.columns == {"a": ["1", "3"], "b": ["", "4"]}
    assert table.place(1) == f"{tmp_path / 't.csv'}, line 5"


def test_a_quoted_cell_may_hold_commas_and_lines(tmp_path):
    content = 'a,b\n"one, ""two""\nthree",4\n'
    assert read_table(written(tmp_path / "t.csv", content))["a"] == ['one, "two"\nthree']


def test_strange_line_ends_inside_a_text_do_not_part_it(tmp_path):
    content = "a,b\nupper\x0clobe\u2028nodule\x85,2\n"
    assert read_table(written(tmp_path / "t.csv", content))["b"] == ["2"]
    line = '{"a": "upper\u2028lobe"}\n'
    assert read_table(written(tmp_path / "t.jsonl", line))["a"] == ["upper\u2028lobe"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_in_the_header(tmp_path, separator):
    content = separator.join("abc") + "\n" + separator.join("123")
    table = read_table(written(tmp_path / "t.csv", content))
    assert table.columns == {"a": ["1"], "b": ["2"], "c": ["3"]}


def test_the_separator_may_be_given(tmp_path):
    path = written(tmp_path / "t.csv", "a|b\n1,5|2")
    assert read_table(path, separator="|")["a"] == ["1,5"]
    with pytest.raises(DataError, match="not one character"):
        read_table(path, separator="||")


@pytest.mark.parametrize(
    "raw",
    [
        "a,b\nœdème,2\n".encode(),
        b"\xef\xbb\xbf" + "a,b\nœdème,2\n".encode(),
        "a,b\nœdème,2\n".encode("utf-16"),
        "a,b\nœdème,2\n".encode("cp1252"),
        "a,b\r\nœdème,2\r\n".encode(),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "windows-1252", "windows lines"],
)
def test_encodings_that_spreadsheets_write_are_read(tmp_path, raw):
    assert read_table(written(tmp_path / "t.csv", raw)).columns == {"a": ["œdème"], "b": ["2"]}


@pytest.mark.parametrize("raw", [b"a,b\n\x00\x01,2", b"\xff\xfe\x00", b"a\n\x81\x8d\xff"])
def test_what_is_not_text_is_refused(tmp_path, raw):
    with pytest.raises(DataError, match="t.csv is not a text file"):
        read_text(written(tmp_path / "t.csv", raw))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 cells under a header of 2"),
        ("a,b\n1,2,3\n", "line 2: 3 cells under a header of 2"),
        ('a,b\n1,"2\n3,4\n', "quote not closed"),
        ('a,b\n1,"2"3\n', "line 2"),
        ("a,b,a\n1,2,3\n", "column 'a' twice"),
        ("a,b\n", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_a_broken_csv_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path / "t.csv", content))


def test_columns_without_a_name_are_passed_over(tmp_path):
    table = read_table(written(tmp_path / "t.csv", ",a,b,,\n0,1,2,,\n"))
    assert table.columns == {"a": ["1"], "b": ["2"]}


def test_a_missing_column_gets_the_nearest_and_the_choices(tmp_path):
    table = read_table(written(tmp_path / "t.csv", "patient,text\n1,2\n"))
    with pytest.raises(DataError, match="no column 'patients'; did you mean 'patient'\\? it has"):
        table["patients"]


def test_json_lines_become_text(tmp_path):
    content = '{"a": 1, "b": true, "c": null}\n\n{"a": "x", "d": ["p", "q"], "b": 0.5}\n'
    table = read_table(written(tmp_path / "t.jsonl", content))
    assert table.columns == {
        "a": ["1", "x"], "b": ["true", "0.5"], "c": ["", ""], "d": ["", "p|q"]
    }  # fmt: skip
    assert list(table.lines) == [1, 3]


@pytest.mark.parametrize("line", ["[1, 2]", "{broken", '"text"', "[" * 100_000])
def test_a_broken_json_line_is_named(tmp_path, line):
    with pytest.raises(DataError, match="t.jsonl, line 2"):
        read_table(written(tmp_path / "t.jsonl", '{"a": 1}\n' + line))


def test_many_rows_keep_their_columns_and_lines(tmp_path):
    content = "a,b\n" + "".join(f"{i},x{i}\n\n" for i in range(10_000))
    table = read_table(written(tmp_path / "t.csv", content))
    assert table["a"] == [str(i) for i in range(10_000)]
    assert table["b"][-1] == "x9999"
    assert table.place(9999).endswith("line 20000")


def test_one_long_cell_does_not_widen_all():
    assert text_column(["a"] * 1000 + ["b" * 5000]).nbytes < 10_000
    assert text_column(["PA", "AP"]).dtype.kind == "U"


def test_reading_a_table_takes_little_more_than_what_it_holds(tmp_path):
    text = "the lungs are clear and the heart is of normal size; number "
    content = "a,b\n" + "".join(f"{i},{text}{i}\n" for i in range(50_000))
    path = written(tmp_path / "t.csv", content)
    tracemalloc.start()
    table = read_table(path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 50_000
    assert peak < held + len(content) + (6 << 20)
