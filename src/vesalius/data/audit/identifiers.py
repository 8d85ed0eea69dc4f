"""Identifiers in words: what looks like a date, a number of a record, a person, a phone, an e-mail.

A warning for a person to follow up, not a de-identification: names without a title, places and
much else pass. What is found is only ever shown masked, and every name that an audit prints
(case ids, file names, texts) goes through :func:`masked` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from vesalius.core import CaseSet

MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
PATTERNS = {
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "date": re.compile(
        r"(?<!\d)(?:(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
        r"|(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:19|20)?\d\d"
        r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
        rf"|\b{MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d\b"
        rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\s+{MONTH}\.?,?\s+(?:19|20)\d\d\b"
    ),
    "record number": re.compile(
        r"\b(?:MRN|medical record(?: number| no\.?)?|accession(?: number| no\.?)?|patient id|"
        r"hospital (?:number|no\.?)|SSN|NHS(?: number| no\.?)?)[\s:#._-]*[A-Z]{0,3}\d[\dA-Z-]{3,}"
        r"|(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])",
        re.IGNORECASE,
    ),
    "phone": re.compile(
        r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?!\w)"
        r"|(?i:\b(?:phone|tel|pager|beeper|ext)\b\.?[\s:#]*\+?\d[\d\s.-]{4,}\d)"
    ),
    "person": re.compile(
        r"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof)\b\.?\s+[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)?"
        r"|\b(?i:patient name|name of patient|dictated by|signed by)\s*[:=]\s*[A-Z][\w'’, -]+"
    ),
}
LONG_NUMBER = re.compile(r"(?<![\w.])\d{7,}(?![\w.])")
KEPT = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof)\b\.?|\b(?i:MRN|SSN|NHS)\b")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What looks like an identifier: its kind, where it stands, how often, and masked examples."""

    kind: str
    where: str
    cases: int
    rows: tuple[int, ...]
    examples: tuple[str, ...]


class _Words(NamedTuple):
    row: int
    where: str
    text: str


def identifiers(cases: CaseSet, *, examples: int = 3) -> tuple[Sighting, ...]:
    """Return what looks like an identifier in texts, image and case names, and attributes.

    Numbers of seven digits and more count in texts only: file names are full of harmless ones.
    """
    found: dict[tuple[str, str], dict[int, str]] = {}
    for words in _words(cases):
        for kind, match in _matches(words):
            found.setdefault((kind, words.where), {}).setdefault(words.row, _mask(match))
    return tuple(
        Sighting(kind, where, len(own), tuple(own), tuple(dict.fromkeys(own.values()))[:examples])
        for (kind, where), own in sorted(found.items(), key=lambda item: -len(item[1]))
    )


def masked(text: object) -> str:
    """Return words in which nothing that looks like an identifier can be read.

    >>> masked("Read by Dr. Miller on 2019-03-14, MRN 0048213")
    'Read by Dr. •••••• on ####-##-##, MRN #######'
    """
    own = str(text)
    for pattern in (*PATTERNS.values(), LONG_NUMBER):
        own = pattern.sub(lambda match: _mask(match.group()), own)
    return own


def masked_name(name: object) -> str:
    """Return a file name or case id without what looks like an identifier.

    >>> masked_name("ct/Smith 1961-03-12.png"), masked_name("00000001_000.png")
    ('ct/Smith ####-##-##.png', '00000001_000.png')
    """
    own = str(name)
    for pattern in PATTERNS.values():
        own = pattern.sub(lambda match: _mask(match.group()), _spaced(own, pattern))
    return own


def _spaced(name: str, pattern: re.Pattern[str]) -> str:
    """Let an underscore part words where that is what hides an identifier."""
    if pattern.search(name) or not pattern.search(name.replace("_", " ")):
        return name
    return name.replace("_", " ")


def _words(cases: CaseSet) -> Iterable[_Words]:
    for row in range(len(cases)):
        if cases.texts is not None and cases.texts[row]:
            yield _Words(row, "text", cases.texts[row])
        yield _Words(row, "image name", cases.images.name(row))
        yield _Words(row, "case id", str(cases.case_ids[row]))
        if cases.patient_ids is not None:
            yield _Words(row, "patient id", str(cases.patient_ids[row]))
    for name, column in cases.attributes.items():
        if column.dtype.kind in "UO":
            for row, value in enumerate(column.tolist()):
                yield _Words(row, f"attribute {name}", str(value))


def _matches(words: _Words) -> Iterable[tuple[str, str]]:
    is_text = words.where == "text" or words.where.startswith("attribute")
    for kind, pattern in PATTERNS.items():
        text = words.text if is_text else _spaced(words.text, pattern)
        match = pattern.search(text)
        if match:
            yield kind, match.group()
    if words.where == "text":
        match = LONG_NUMBER.search(words.text)
        if match:
            yield "long number", match.group()


def _mask(found: str) -> str:
    """Replace digits and letters, but for the title or keyword that gave it away."""
    kept = KEPT.match(found)
    head = kept.group() if kept else ""
    rest = re.sub(r"\d", "#", found[len(head) :])
    return head + re.sub(r"[^\W\d_]", "•", rest)
