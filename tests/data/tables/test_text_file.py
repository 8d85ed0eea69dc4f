import gzip
import zlib

import pytest

from vesalius.core import DataError
from vesalius.data.tables import text_file
from vesalius.data.tables.table import read_table
from vesalius.data.tables.text_file import read_text


def test_a_gzipped_text_is_unpacked(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("a\tb\nœdème\t2\n".encode()))
    assert read_text(path) == "a\tb\nœdème\t2\n"
    assert read_table(path).columns == {"a": ["œdème"], "b": ["2"]}


def test_a_letter_that_lies_across_two_pieces_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "CHUNK", 3)
    (tmp_path / "t.txt").write_bytes("aœœ€b".encode())
    assert read_text(tmp_path / "t.txt") == "aœœ€b"


def test_a_gzip_bomb_is_given_up_early(tmp_path):
    path = tmp_path / "t.csv.gz"
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * (1 << 20)
    path.write_bytes(b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush())
    with pytest.raises(DataError, match=r"t.csv.gz unpacks to more than 5\d,\d+,\d+ bytes"):
        read_text(path)


def test_a_text_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "LARGEST_BYTES", 10)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match="t.csv has more than 10 bytes"):
        read_table(tmp_path / "t.csv")


PACKED = gzip.compress(b"a,b\n" * 99, mtime=0)


@pytest.mark.parametrize("raw", [b"", b"a,b\n1,2\n", PACKED[:-9], PACKED[:12] + b"\xff" * 9])
def test_what_is_no_gzip_is_refused(tmp_path, raw):
    (tmp_path / "t.csv.gz").write_bytes(raw)
    with pytest.raises(DataError, match="t.csv.gz"):
        read_table(tmp_path / "t.csv.gz")


def test_only_the_asked_columns_are_kept(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "t.jsonl").write_text('{"a": 1, "b": 2}\n{"c": 3}\n')
    assert read_table(tmp_path / "t.csv", columns={"c", "x"}).columns == {"c": ["3"]}
    assert read_table(tmp_path / "t.jsonl", columns={"c"}).columns == {"c": ["", "3"]}
