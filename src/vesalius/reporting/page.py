"""The page: one HTML file that stands alone.

It asks the network for nothing and runs no script: pictures are inside, the style is allowed by
its hash, everything else is forbidden by the page's own Content-Security-Policy. Whatever comes
from data (labels, reports, file names) is escaped.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from vesalius.core import Score
from vesalius.reporting import numbers
from vesalius.reporting.blocks import Block, Figure, Page
from vesalius.reporting.footnotes import key_notes
from vesalius.reporting.table_view import MARK_WIDTH, table_view

POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; "
    "form-action 'none'"
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def render(page: Page) -> str:
    """Return the page as one self-contained HTML document.

    The same page gives the same bytes. No file is opened but the template of this package.

    >>> from vesalius.core import Score
    >>> from vesalius.reporting import Page, Section, Text, tile
    >>> score = Score("macro_auroc", 0.81, 0.78, 0.84, n=412)
    >>> html = render(Page("Chest study", "chest", "Does it work?", "It does.", [tile(score)],
    ...                    [Section("Data", "What was looked at.", [Text("412 <cases>")])]))
    >>> "0.810" in html and "[0.780, 0.840]" in html and "412 &lt;cases&gt;" in html
    True
    """
    from markupsafe import Markup

    environment = _environment()
    style = environment.loader.get_source(environment, "page.css")[0].strip()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    html: str = environment.get_template("page.html.jinja").render(
        page=page,
        style=Markup(style),
        policy=Markup(POLICY.format(style=digest)),
        mark_width=MARK_WIDTH,
    )
    return CONTROLS.sub("\ufffd", html).encode("utf-8", "replace").decode("utf-8")


def data_uri(figure: Figure | bytes) -> str:
    """Return a picture as an address that holds the picture itself."""
    if isinstance(figure, bytes):
        figure = Figure(figure, "")
    return f"data:{figure.media};base64,{b64encode(figure.data).decode()}"


def paragraphs(text: str) -> list[str]:
    """Part a text at its blank lines."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def beside(blocks: Sequence[Block]) -> list[Block | list[Figure]]:
    """Put figures that follow each other into one list, to be drawn beside each other."""
    grouped: list[Block | list[Figure]] = []
    for block in blocks:
        if not isinstance(block, Figure):
            grouped.append(block)
        elif grouped and isinstance(grouped[-1], list):
            grouped[-1].append(block)
        else:
            grouped.append([block])
    return grouped


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vesalius.reporting", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    environment.filters["paragraphs"] = paragraphs
    environment.filters["printed"] = _printed
    environment.filters["percent"] = _percent
    environment.filters["beside"] = beside
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["key_notes"] = key_notes
    environment.filters["table_view"] = table_view
    return environment


def _printed(score: Score) -> numbers.Printed:
    return numbers.score(score)


def _percent(value: float) -> float:
    """Return a share as a length of 0 to 100 for a bar; NaN is no bar."""
    return round(100 * min(max(value, 0.0), 1.0), 1) if value == value else 0.0
