import pytest

from vesalius.core import DataError
from vesalius.data.tables import xml_tree
from vesalius.data.tables.xml_tree import read_xml

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<eCitation>&b;</eCitation>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>"""
LINKED = '<!DOCTYPE x SYSTEM "http://somewhere/x.dtd"><x/>'


def written(tmp_path, raw):
    path = tmp_path / "1.xml"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


def test_elements_text_and_attributes_are_read(tmp_path):
    root = read_xml(written(tmp_path, '<a><b id="1">x &amp; y</b><b>é</b></a>'))
    assert [(b.get("id"), b.text) for b in root.iter("b")] == [("1", "x & y"), (None, "é")]


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, LINKED], ids=["bomb", "file", "link"])
def test_a_document_type_is_refused(tmp_path, text):
    with pytest.raises(DataError, match="1.xml declares a document type"):
        read_xml(written(tmp_path, text))


@pytest.mark.parametrize(
    "raw",
    [b"", b"<a>", b"<a></b>", b"<a>&f;</a>", b"text", b"<a/><b/>", b"\x89PNG\r\n",
     b'<?xml version="1.0" encoding="no-such"?><a/>',
     b'<?xml version="1.0" encoding="utf-7"?><a/>'],
)  # fmt: skip
def test_what_is_not_xml_is_refused(tmp_path, raw):
    with pytest.raises(DataError, match="1.xml is not valid XML"):
        read_xml(written(tmp_path, raw))


def test_a_file_that_is_too_large_or_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="2.xml cannot be read"):
        read_xml(tmp_path / "2.xml")
    monkeypatch.setattr(xml_tree, "LARGEST_BYTES", 3)
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_xml(written(tmp_path, "<a></a>"))


def test_a_tower_of_elements_does_not_bring_the_reader_down(tmp_path):
    assert read_xml(written(tmp_path, "<a>" * 200_000 + "</a>" * 200_000)).tag == "a"
