"""Ledgers from files: anybody's saved predictions, scored and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from vesalius.core import DataError, Predictions, Run
from vesalius.core.files import write_atomic
from vesalius.evaluation import read_ledgers
from vesalius.reporting import Page, render, scores_markdown
from vesalius.studies.classification import Protocol, score_ledgers
from vesalius.studies.summary import answer, write_scores


def score_files(
    paths: Sequence[Path],
    out: Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    protocols: tuple[Protocol, ...] = ("sound",),
    replicates: int = 2000,
    seed: int = 0,
) -> Run:
    """Score the ledgers in some files, compare them, and write scores and a page into a Run.

    ``columns`` maps our names of columns to those of the files.
    """
    columns = dict(columns or {})
    ledgers = _all_methods(paths, columns)
    contents = {path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in paths}
    recipe = {
        "study": "predictions",
        "files": contents,
        **({"columns": columns} if columns else {}),
        "protocols": list(protocols),
        "replicates": replicates,
        "seed": seed,
    }
    digest = sha256(repr(sorted(recipe.items())).encode()).hexdigest()[:8]
    run = Run.open(out or Path("runs") / f"predictions-{digest}", recipe)
    outcome = score_ledgers(ledgers, protocols=protocols, replicates=replicates, seed=seed)
    write_scores(run, outcome.scores)
    names = ", ".join(ledgers)
    words = [path.name for path in paths] + [f"{ours}={own}" for ours, own in columns.items()]
    page = Page(
        title="Saved predictions",
        study="evaluate predictions",
        question=f"How good are the predictions of {names}?",
        answer=answer(outcome.scores),
        sections=outcome.sections,
        notes=("Research use only: not for diagnosis.",),
        command=" ".join(["vesalius evaluate predictions", *words]),
        environment=run.environment(),
        hashes=contents,
        created=datetime.now(UTC).date().isoformat(),
    )
    write_atomic(run.file("page.html"), render(page))
    write_atomic(run.file("scores.md"), scores_markdown(outcome.scores))
    return run


def _all_methods(paths: Sequence[Path], columns: Mapping[str, str]) -> dict[str, Predictions]:
    """Return every method of every file; files whose methods bear one name are told apart."""
    ledgers: dict[str, Predictions] = {}
    for path in paths:
        for method, ledger in read_ledgers(path, columns=columns).items():
            name = method or path.stem
            if name in ledgers:
                name = f"{name} ({path.stem})"
            if name in ledgers:
                raise DataError(
                    f"{path}: method {name!r} was read already; was a file given twice?"
                )
            ledgers[name] = replace(ledger, method=name)
    return ledgers
