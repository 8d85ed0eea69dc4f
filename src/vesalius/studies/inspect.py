"""Inspect a data set outside a study: count, check, picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from vesalius import data
from vesalius.core import CaseSet, Run
from vesalius.core.files import write_atomic
from vesalius.data import Inspection
from vesalius.data.readers.manifest import manifest_columns
from vesalius.data.tables.column_report import ColumnReport
from vesalius.reporting import Page, render
from vesalius.studies.audit import audit_section
from vesalius.studies.data_recipe import data_recipe
from vesalius.studies.fingerprint import fingerprint
from vesalius.studies.recipe import OF_EVERY_READER, Recipe
from vesalius.studies.runner import kept, read_data


def inspect_data(
    reader: str, root: str | None, settings: Sequence[str], out: Path | None = None
) -> tuple[Inspection, Path]:
    """Read cases, open every image once, and write a page; return what was found and the page."""
    question = f"What is in {Path(root).name if root else reader}?"
    recipe = data_recipe(reader, root, settings, question)
    digest = sha256(repr(sorted(recipe.data.items())).encode()).hexdigest()[:8]
    folder = out or Path("runs") / f"inspect-{reader}-{digest}"
    cases = read_data(recipe)
    run = Run.open(folder, kept(recipe))
    found = replace(data.inspect(cases), columns=_columns(recipe, cases))
    page = Page(
        title=f"{reader}: data audit",
        study="data inspect",
        question=recipe.question,
        answer=found.sentence(),
        sections=[audit_section(cases, found)],
        environment=run.environment(),
        hashes={"data": fingerprint(cases)},
        skipped=cases.skipped,
        created=datetime.now(UTC).date().isoformat(),
    )
    return found, write_atomic(run.file("page.html"), render(page))


def _columns(recipe: Recipe, cases: CaseSet) -> ColumnReport | None:
    """Return how the columns were read, where the reader lets them be named."""
    settings = {k: v for k, v in recipe.data.items() if k not in OF_EVERY_READER}
    if recipe.data["reader"] != "manifest":
        return None
    return manifest_columns(Path(recipe.data["root"]).expanduser(), cases, **settings)
