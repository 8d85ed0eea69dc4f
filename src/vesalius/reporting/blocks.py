"""What a page is made of: plain frozen values, put together by a study and drawn by ``render``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vesalius.core import Score, Skipped

Cell = str | int | float | Score | None


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; blank lines part paragraphs."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A remark that must not be overlooked; ``kind`` is ``note``, ``warning`` or ``error``."""

    text: str
    kind: str = "note"


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a table's column.

    ``group`` puts neighbouring columns under a common head, ``digits`` counts decimals (None:
    three, fewer for large numbers), ``percent`` prints 0.123 as 12.3 %, ``better`` is ``higher``
    or ``lower``, ``marks`` draws a small line from low to high under each value, with a tick at
    ``chance``.
    """

    name: str
    group: str = ""
    digits: int | None = None
    percent: bool = False
    better: str = ""
    marks: bool = False
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row; ``kind`` ``reference`` sets it apart as somebody else's figures."""

    cells: Sequence[Cell]
    kind: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names its rows.

    A cell is text, a count (int), a plain number (float), a :class:`Score` (printed with its
    interval or the reason why there is none; its other remarks are footnotes), or None (a dash).
    """

    columns: Sequence[Column | str]
    rows: Sequence[Row | Sequence[Cell]]
    caption: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as SVG, PNG or JPEG bytes; ``alt`` says in words what it shows.

    ``width`` and ``height`` are CSS pixels (0: the picture's own size).
    """

    data: bytes
    alt: str
    caption: str = ""
    width: int = 0
    height: int = 0

    @property
    def media(self) -> str:
        """The media type, read from the first bytes."""
        if self.data.startswith(b"\x89PNG"):
            return "image/png"
        return "image/jpeg" if self.data.startswith(b"\xff\xd8") else "image/svg+xml"

    @property
    def suffix(self) -> str:
        """The ending of a file that holds ``data``."""
        return {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg"}[self.media]


@dataclass(frozen=True, slots=True)
class CardScore:
    """What the model said about one label of one case (0–1), beside the truth (None: unknown)."""

    label: str
    score: float
    truth: bool | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One case: its picture (PNG or JPEG bytes), the words about it, the model's scores.

    ``legend`` says what is outlined on the picture.
    """

    image: bytes
    alt: str
    title: str = ""
    text: str = ""
    scores: Sequence[CardScore] = ()
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Cases beside each other; ``pairs`` says that each card's picture is two images wide."""

    cards: Sequence[Card]
    caption: str = ""
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """Blocks that stay folded until somebody wants them."""

    summary: str
    blocks: Sequence[Block]


Block = Text | Notice | Table | Figure | Examples | Details


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: ``why`` says what question it answers."""

    title: str
    why: str = ""
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure at the top of the page; ``label`` says of what method or data it is."""

    name: str
    score: Score
    label: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that one study has to say.

    ``question`` is the headline, ``answer`` the sentence below it, ``notices`` what must be known
    to read the answer rightly; ``notes`` stand at the end. ``created`` is a date that the
    caller gives: rendering reads no clock.
    """

    title: str
    study: str
    question: str
    answer: str = ""
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = ()
    notices: Sequence[Notice] = ()
    notes: Sequence[str] = ()
    recipe_yaml: str = ""
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    skipped: Sequence[Skipped] = ()
    created: str = ""
