"""XML read safely: no document type, so no entities that grow and none that open other files."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from vesalius.core import DataError

LARGEST_BYTES = 64 << 20


def read_xml(path: Path) -> Element:
    """Return the root element of a file.

    Raises:
        DataError: the file is missing, broken, too large, or declares a document type.
    """

    def refuse(*_: object) -> NoReturn:
        raise DataError(f"{path} declares a document type (DOCTYPE), which is not read")

    tree = TreeBuilder()
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path} has more than {LARGEST_BYTES:,} bytes")
        parser.Parse(path.read_bytes(), True)
        return tree.close()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ExpatError, ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path} is not valid XML: {error}") from None
