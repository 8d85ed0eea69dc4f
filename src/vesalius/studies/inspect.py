"""Inspect a data set outside a study: count, check, picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from vesalius import data
from vesalius.core.files import write_atomic
from vesalius.core.run import environment
from vesalius.data import Inspection
from vesalius.reporting import Page, render
from vesalius.studies.audit import audit_section
from vesalius.studies.data_recipe import data_recipe
from vesalius.studies.fingerprint import fingerprint
from vesalius.studies.runner import read_data


def inspect_data(
    reader: str, root: str | None, settings: Sequence[str], out: Path | None = None
) -> tuple[Inspection, Path]:
    """Read cases, open every image once, and write a page; return what was found and the page."""
    question = f"What is in {Path(root).name if root else reader}?"
    recipe = data_recipe(reader, root, settings, question)
    cases = read_data(recipe)
    found = data.inspect(cases)
    digest = sha256(repr(sorted(recipe.data.items())).encode()).hexdigest()[:8]
    page = Page(
        title=f"{reader}: data audit",
        study="data inspect",
        question=recipe.question,
        answer=found.sentence(),
        sections=[audit_section(cases, found)],
        environment=environment(),
        hashes={"data": fingerprint(cases)},
        skipped=cases.skipped,
        created=datetime.now(UTC).date().isoformat(),
    )
    folder = out or Path("runs") / f"inspect-{reader}-{digest}"
    return found, write_atomic(folder / "page.html", render(page))
