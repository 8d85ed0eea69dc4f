"""Scores and pictures, put on one page that stands alone.

Drawing is heavy and imported when it is asked for; the page's parts are plain values.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.reporting.blocks import (
    Block,
    Card,
    CardScore,
    Column,
    Details,
    Examples,
    Figure,
    Notice,
    Page,
    Row,
    Section,
    Table,
    Text,
    Tile,
)
from vesalius.reporting.page import render
from vesalius.reporting.tables import label_table, scores_markdown, summary_table, tile

if TYPE_CHECKING:
    from vesalius.reporting import figures

__all__ = [
    "Block",
    "Card",
    "CardScore",
    "Column",
    "Details",
    "Examples",
    "Figure",
    "Notice",
    "Page",
    "Row",
    "Section",
    "Table",
    "Text",
    "Tile",
    "figures",
    "label_table",
    "render",
    "scores_markdown",
    "summary_table",
    "tile",
]


def __getattr__(name: str) -> Any:
    if name == "figures":
        return import_module("vesalius.reporting.figures")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
