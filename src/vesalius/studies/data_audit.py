"""Audit a data set outside a study: leaks, twins, contradictions, words that name a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from vesalius.core import CaseSet, Run, Skipped, VesaliusError
from vesalius.core.files import write_atomic, write_json
from vesalius.core.run import environment
from vesalius.data.audit import Audit, audit, masked_name
from vesalius.reporting import Page, render
from vesalius.studies.audit_sections import answer, sections
from vesalius.studies.data_recipe import data_recipe, read_cases_of
from vesalius.studies.fingerprint import fingerprint
from vesalius.studies.runner import kept, read_data

HASHES = "hashes"  # --against hashes FILE: another set's hashes.csv instead of its images


def audit_data(
    reader: str,
    root: str | None,
    settings: Sequence[str],
    *,
    against: tuple[str, str] | None = None,
    out: Path | None = None,
    workers: int | None = None,
) -> tuple[Audit, Path]:
    """Read cases, audit them, write the page; return what was found and the page.

    Settings that begin with ``against.`` are those of the other set. The folder keeps
    ``looks.sqlite`` (a second audit decodes nothing again), ``hashes.csv``, ``findings.json``
    and ``page.html``.
    """
    theirs = [s.removeprefix("against.") for s in settings if s.startswith("against.")]
    own = [s for s in settings if not s.startswith("against.")]
    question = f"What would make numbers on {_name(reader, root)} wrong?"
    recipe = data_recipe(reader, root, own, question)
    if theirs and against is None:
        raise VesaliusError(f"against.{theirs[0]} is set, but there is no --against READER ROOT")
    other = None if against is None else _other(*against, theirs)
    cases = read_data(recipe)
    digest = sha256(repr(sorted(recipe.data.items())).encode()).hexdigest()[:8]
    folder = Run.open(out or Path("runs") / f"audit-{reader}-{digest}", kept(recipe)).path
    found = audit(cases, against=other, folder=folder, workers=workers, progress=True)
    write_json(folder / "findings.json", _plain(found))
    page = Page(
        title=f"{reader}: data audit",
        study="data audit",
        question=recipe.question,
        answer=answer(found),
        sections=sections(cases, found, other if isinstance(other, CaseSet) else None),
        environment=environment(),
        hashes={"data": fingerprint(cases)},
        skipped=tuple(
            Skipped(masked_name(row.name), masked_name(row.reason)) for row in cases.skipped
        ),
        created=datetime.now(UTC).date().isoformat(),
    )
    return found, write_atomic(folder / "page.html", render(page))


def _other(reader: str, root: str, settings: Sequence[str]) -> CaseSet | Path:
    if reader == HASHES:
        return Path(root)
    return read_cases_of(reader, root, [f"data.{setting}" for setting in settings])


def _name(reader: str, root: str | None) -> str:
    return masked_name(Path(root).name) if root else reader


def _plain(found: Audit) -> dict[str, object]:
    """Return the findings as plain values: rows and counts, no word of the data itself."""
    return {
        "cases": found.cases,
        "findings": [
            {"kind": f.kind, "title": f.title, "count": f.count, "level": f.level}
            for f in found.findings()
        ],
        "exact": [list(group) for group in found.exact],
        "near": [
            [p.first, p.second, round(p.pixels, 4), round(p.detail, 4)] for p in found.near
        ],
        "against": None if found.against is None else [
            [p.first, p.second, p.exact] for p in found.against.pairs
        ],
        "contradictions": [[c.first, c.second, list(c.labels)] for c in found.contradictions],
        "flat": list(found.flat),
        "burned_in": list(found.burned_in),
    }  # fmt: skip
