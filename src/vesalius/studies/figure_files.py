"""The page's figures as files, for a paper or a talk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from vesalius.core import Run
from vesalius.core.files import slug, write_atomic
from vesalius.reporting import Block, Details, Figure, Page


def write_figures(run: Run, page: Page) -> None:
    """Write every figure into ``figures/``, named by its section: SVG, PNG or JPEG as it is."""
    seen: Counter[str] = Counter()
    for section in page.sections:
        name = slug(section.title)
        for figure in _figures(section.blocks):
            seen[name] += 1
            write_atomic(run.file("figures", f"{name}-{seen[name]}{figure.suffix}"), figure.data)


def _figures(blocks: Sequence[Block]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Details):
            yield from _figures(block.blocks)
