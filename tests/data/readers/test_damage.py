"""Whatever is done to the files of a data set, a reader gives cases or an error of ours."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesalius.core import CaseSet, DataError, VesaliusError
from vesalius.data import READERS, read
from vesalius.data.tables.table import Table, read_table
from vesalius.data.tables.xml_tree import read_xml

IMAGES = (".png", ".jpg", ".lock")
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pieces = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b'"', b"\n", b",", b"\0", b"\xff\xfe", b"-1", b"[", b"{}", b"null", b"../../",
                     b"\\ud800", b"1e999", b"<!DOCTYPE a>", b"&a;", b"PAR1", b"9" * 5000]),
)  # fmt: skip


@st.composite
def damages(draw):
    """Draw a function that changes a file's bytes: cut, overwritten, widened, or another file."""
    kind = draw(st.sampled_from(["cut", "overwrite", "insert", "replace"]))
    at, piece = draw(st.floats(0, 1)), draw(pieces)

    def damage(raw):
        place = int(at * len(raw))
        rest = {"cut": b"", "overwrite": raw[place + len(piece) :], "insert": raw[place:]}
        return piece if kind == "replace" else raw[:place] + piece * (kind != "cut") + rest[kind]

    return damage


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"phantom"}))
def test_damage_gives_cases_or_an_error_of_ours(layout, reader):
    root = layout(reader)
    files = sorted(p for p in root.rglob("*") if p.is_file())
    files = [p for p in files if p.suffix not in IMAGES] or files

    @few
    @given(st.sampled_from(files), st.lists(damages(), min_size=1, max_size=3))
    def damaged(path, several):
        whole = path.read_bytes()
        raw = whole
        for damage in several:
            raw = damage(raw)
        path.write_bytes(raw)
        try:
            with contextlib.suppress(VesaliusError):
                cases = read(reader, root)
                assert isinstance(cases, CaseSet)
                for i in range(len(cases)):
                    with contextlib.suppress(VesaliusError):
                        _ = cases.images[i], cases[i].boxes, cases[i].masks
        finally:
            path.write_bytes(whole)

    damaged()


@few
@given(raw=st.binary(), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz"]))
def test_any_bytes_are_a_table_or_an_error_of_ours(tmp_path, raw, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(DataError):
        table = read_table(path)
        assert isinstance(table, Table)
        assert {len(cells) for cells in table.columns.values()} <= {len(table)}


@few
@given(raw=st.one_of(st.binary(), st.text(alphabet="<>/ab\"='&;!?- ").map(str.encode)))
def test_any_bytes_are_a_tree_or_an_error_of_ours(tmp_path, raw):
    (tmp_path / "a.xml").write_bytes(raw)
    with contextlib.suppress(DataError):
        read_xml(tmp_path / "a.xml")
