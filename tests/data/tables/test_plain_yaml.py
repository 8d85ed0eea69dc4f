"""YAML from strangers is plain values or a DataError, and never large."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vesalius.core import DataError
from vesalius.data.tables.plain_yaml import LARGEST, read_yaml

LAUGHS = "a: &a [x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]" for old, new in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LAUGHS, "aliases"),
        ("x: !!python/object/apply:os.system ['false']", "not valid"),
        ("x: [1, 2", "not valid"),
        ("\x00", "not valid"),
        ("[" * 5000, "not valid"),
        ("#" * (LARGEST + 1), "larger than"),
        ("2026-99-99", "not valid"),
    ],
)
def test_hostile_yaml_is_refused_with_file_and_reason(content, why, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"own\.yaml.*{why}"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml cannot be read"):
        read_yaml(tmp_path / "none.yaml")


@given(st.binary(max_size=300))
def test_any_bytes_are_values_or_a_data_error(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    with suppress(DataError):
        read_yaml(path)
