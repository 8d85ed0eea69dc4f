"""Two folders of embeddings, compared outside a study.

Legend: N cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, Embeddings, ImageError, Run, VesaliusError
from vesalius.core.files import write_atomic
from vesalius.embedding import open_embeddings
from vesalius.reporting import Notice, Page, render, scores_markdown
from vesalius.studies.comparison.clouds import Cloud
from vesalius.studies.comparison.design import DESIGN, Design
from vesalius.studies.comparison.likeness import ORIGINAL, Original, likeness
from vesalius.studies.comparison.shift import shift
from vesalius.studies.figure_files import write_figures
from vesalius.studies.outcome import Outcome
from vesalius.studies.overrides import override
from vesalius.studies.recipe import recipe_of
from vesalius.studies.runner import read_data
from vesalius.studies.settings import arguments, checked_settings
from vesalius.studies.summary import tiles, write_scores


def compare_folders(
    first: Path,
    second: Path,
    settings: Sequence[str] = (),
    *,
    paired: bool | None = None,
    out: Path | None = None,
    device: str = "cpu",
) -> Run:
    """Compare the embeddings in two folders, and write a page.

    Folders of the same cases are compared row by row (``paired``), others as two clouds. Patients,
    labels and images come from the data that the folders were made of, where they still lie.
    ``settings`` are those of the test, such as ``permutations=9999``, and ``seed``.

    Raises:
        DataError: the folders do not fit together.
        RecipeError: a setting is not known, or its value is wrong.
    """
    given: dict[str, Any] = {}
    for setting in settings:
        given = override(given, setting)
    checked = checked_settings(_compared, given, "compare")
    rows = [open_embeddings(folder) for folder in (first, second)]
    same = set(rows[0].case_ids.tolist()) == set(rows[1].case_ids.tolist())
    paired = same if paired is None else paired
    if paired and not same:
        raise DataError(
            f"{first} and {second} are not of the same cases, so that there are no pairs; compare "
            "them as two clouds (without --paired)"
        )
    models = [own.provenance.get("weights_hash", "") for own in rows]
    if not paired and all(models) and models[0] != models[1]:
        names = [own.provenance.get("model", "unknown") for own in rows]
        raise DataError(
            f"{first} and {second} were encoded by different models ({names[0]} and {names[1]}) "
            "and hold different cases: their axes have nothing in common, so that no test can tell "
            "the models from the data; encode both with one model"
        )
    if paired:
        rows[1] = rows[1].of_cases(rows[0].case_ids)
    notices: list[Notice] = []
    folders = (first, second)
    named = zip(folders, rows, _names(first, second), strict=True)
    clouds = [_cloud(folder, own, name, notices) for folder, own, name in named]
    if not paired and _data(first) != _data(second):
        clouds = [cloud.with_own_patients(str(i)) for i, cloud in enumerate(clouds, 1)]
    places = {"first": str(first.absolute()), "second": str(second.absolute())}
    run = Run.open(
        out or _folder(first, second), {"study": "compare", **places, "paired": paired, **checked}
    )
    outcome = _compared(clouds[0], clouds[1], paired, device, **arguments(_compared, checked))
    _write(run, clouds, outcome, notices)
    return run


def _compared(
    first: Cloud,
    second: Cloud,
    paired: bool,
    device: str,
    *,
    design: Design = DESIGN,
    original: Original = ORIGINAL,
    seed: int = 0,
) -> Outcome:
    if not paired:
        return shift(first, second, design=design, seed=seed, device=device)
    return likeness(first, second, design=design, original=original, seed=seed, device=device)


def _write(run: Run, clouds: list[Cloud], outcome: Outcome, notices: list[Notice]) -> None:
    write_scores(run, outcome.scores)
    page = Page(
        title="comparison",
        study="compare",
        question=f"Do the embeddings of {clouds[0].name} and {clouds[1].name} differ?",
        answer=outcome.answer,
        tiles=tiles(outcome.scores),
        sections=outcome.sections,
        notices=notices,
        notes=("Research use only: not for diagnosis.",),
        environment=run.environment(),
        hashes=_hashes(clouds),
        created=datetime.now(UTC).date().isoformat(),
    )
    write_atomic(run.file("page.html"), render(page))
    write_figures(run, page)
    tables = scores_markdown(outcome.scores)
    write_atomic(run.file("scores.md"), f"# {page.question}\n\n{page.answer}\n\n{tables}")


def _folder(first: Path, second: Path) -> Path:
    return Path("runs") / f"compare-{first.absolute().name}-{second.absolute().name}"


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Name the clouds by their folders, in full where these have one name."""
    names = first.absolute().name, second.absolute().name
    if names[0] != names[1]:
        return names
    return str(first), str(second)


def _cloud(folder: Path, rows: Embeddings, name: str, notices: list[Notice]) -> Cloud:
    try:
        cases = _cases(folder).of_cases(rows.case_ids)
    except (VesaliusError, OSError, KeyError) as error:
        notices.append(Notice(
            f"The data behind {name} cannot be read again ({error}): its patients, labels and "
            "images are missing here, and cases are exchanged one by one.", "warning"))  # fmt: skip
        n = len(rows)
        cases = CaseSet(rows.case_ids, _NoImages(n, name), np.empty((n, 0)), source=name)
    return Cloud.of(name, rows, cases)


def _data(folder: Path) -> tuple[Any, Any]:
    """Return the reader and the root of the data that a folder was made of."""
    try:
        data: Mapping[str, Any] = Run(folder).recipe()["data"]
    except (VesaliusError, OSError, KeyError):
        return None, None
    root = data.get("root")
    return data.get("reader"), root and str(Path(root).resolve())


def _cases(folder: Path) -> CaseSet:
    """Read the data that ``vesalius embed`` wrote into the folder's recipe."""
    made: Mapping[str, Any] = Run(folder).recipe()
    plain = {"study": "compare", "question": "", "data": made["data"], "model": {"name": "tiny"}}
    return read_data(recipe_of(plain))


def _hashes(clouds: list[Cloud]) -> dict[str, str]:
    return {
        f"{cloud.name}: {key}": value
        for cloud in clouds
        for key, value in cloud.embeddings.provenance.items()
    }


@dataclass(frozen=True, slots=True)
class _NoImages:
    """A column of images that are not at hand."""

    n: int
    source: str

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        raise ImageError(f"the images of {self.source} are not at hand")

    def name(self, index: int) -> str:
        return f"{self.source} {index}"

    def content_hash(self, index: int) -> str:
        return self.name(index)

    def take(self, indices: NDArray[np.integer]) -> _NoImages:
        return _NoImages(len(indices), self.source)
