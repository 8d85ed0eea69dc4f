import pytest

from vesalius.core import DataError
from vesalius.data.tables.json_list import read_json_list


def written(tmp_path, text):
    path = tmp_path / "list.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_objects_become_rows_and_inner_keys_columns(tmp_path):
    table = read_json_list(
        written(tmp_path, '[{"a": 1, "b": {"c": " x "}}, {"a": null, "d": ["p", "q"]}]')
    )
    assert table.columns == {"a": ["1", ""], "b.c": ["x", ""], "d": ["", "p|q"]}
    assert table.place(1).endswith("list.json, entry 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ('[{"a": 1}', "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"a": 1}', "holds a dict, not a list of objects"),
        ("[]", "has no rows"),
        ('[{"a": 1}, 3]', "entry 2: a int, not an object"),
    ],
)
def test_what_is_no_list_of_objects_is_an_error_that_says_what_it_is(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_json_list(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.json cannot be read"):
        read_json_list(tmp_path / "gone.json")
