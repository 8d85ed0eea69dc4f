"""Masks: what words name, as a file of masks beside every image.

Legend of shapes: H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vesalius.core import CaseSet, DataError, Heatmap, ImageError, Mask, unknown
from vesalius.core.files import read_json, write_atomic, write_json
from vesalius.data.progress import bar
from vesalius.explanation import explainer
from vesalius.reporting import Section
from vesalius.reporting.figures.picture import picture
from vesalius.segmentation import REFINERS, boxes_of, refine
from vesalius.segmentation.writing import seg_package
from vesalius.studies.explaining.maps import file_name
from vesalius.studies.inputs import Splits, in_splits, splits_of
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.segmenting.mask_files import Source, sources_of, text_names
from vesalius.studies.segmenting.mask_page import Area, mask_blocks
from vesalius.studies.segmenting.segmenters import Segmenter

AT_ONCE = 16  # images whose maps are held at a time
TITLE = "Where is what the words name?"


def masks(
    context: Context,
    *,
    texts: Annotated[tuple[str, ...], Field(min_length=1)],
    method: str = "gradcam",
    layer: str = "auto",
    refiner: str = "kmeans",
    segmenter: str | None = "random_walker",
    keep: Annotated[int, Field(ge=1)] = 1,
    cases: Splits = "all",
    pictures: Annotated[int, Field(ge=0)] = 12,
) -> Outcome:
    """Make a mask of every image for each text.

    A map of ``method`` becomes a mask by ``refiner`` (``keep`` components stay), and the mask's
    box and points a better one by ``segmenter``: ``random_walker``, or a folder of the SAM family.
    ``masks/`` holds them in the size and form of their source, ``overlays/`` pictures, ``areas/``
    how large they are. What is there already is not made again.

    Raises:
        DataError: too many images are unreadable, or a package for a source's form is missing.
    """
    if refiner not in REFINERS:
        raise unknown("refiner", refiner, REFINERS)
    chosen = in_splits(context.cases, *splits_of(context.cases, cases))
    way = ", ".join((method, refiner, *(() if segmenter is None else (Path(segmenter).name,))))
    sources = sources_of(chosen)
    if any(source.kind == "dicom" for source in sources):
        seg_package()  # said before the first map
    work = Segmenting(
        context, chosen, tuple(dict.fromkeys(texts)), Segmenter.of(segmenter, context.device),
        {"method": refiner, "keep": keep}, method, {} if layer == "auto" else {"layer": layer}, way,
    )  # fmt: skip
    with bar("segmenting", len(chosen), unit="images", show=context.progress) as advance:
        for some in _batches(sources):
            work.finish([source for source in some if not work.is_done(source)])
            advance(sum(len(source.rows) for source in some))
    found = [work.kept(source) for source in sources]
    unreadable = [words for own in found for words in own["unreadable"]]
    if len(unreadable) > context.max_bad * len(chosen):
        raise DataError(
            f"{len(unreadable)} of {len(chosen)} images are unreadable: {unreadable[0]}"
        )
    areas = [Area(**area) for own in found for area in own["areas"]]
    blocks = mask_blocks(chosen, areas, unreadable, work.texts, work.overlay, pictures=pictures)
    images = len({area.case for area in areas})
    return Outcome(
        sections=(Section(TITLE, f"{way}. Nobody has checked these masks.", blocks),),
        answer=f"{images:,} images × {len(work.texts)} texts by {way}; masks in masks/, pictures "
        "in overlays/.",
    )


def _batches(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Give files together until they have enough images; a volume stays whole."""
    some: list[Source] = []
    for source in sources:
        some.append(source)
        if sum(len(own.rows) for own in some) >= AT_ONCE:
            yield some
            some = []
    if some:
        yield some


@dataclass(frozen=True, slots=True)
class Segmenting:
    """What is made of every image, and how; ``way`` says it in words."""

    context: Context
    cases: CaseSet
    texts: tuple[str, ...]
    segmenter: Segmenter
    refining: dict[str, Any]
    method: str
    mapping: dict[str, Any]
    way: str

    def is_done(self, source: Source) -> bool:
        """Say whether all files of a source are there; what was unreadable is tried again."""
        if not self._note(source).exists():
            return False
        note = self.kept(source)
        here = (self.context.run.file("masks", name).exists() for name in note["files"])
        return not note["unreadable"] and all(here)

    def kept(self, source: Source) -> dict[str, Any]:
        """Return what was noted of a source: its files, areas and unreadable images."""
        found: dict[str, Any] = read_json(self._note(source))
        return found

    def finish(self, sources: Sequence[Source]) -> None:
        """Make the masks of some files; the note that they are done is written last."""
        faults = {row: self._fault(row) for source in sources for row in source.rows}
        made = self._made([row for row, fault in faults.items() if not fault])
        for source in sources:
            unreadable = [faults[row] for row in source.rows if faults[row]]
            readable = [row for row in source.rows if row in made]
            files: dict[str, bytes] = {}
            try:
                if readable:
                    files = self._files(source, made)
            except ImageError as error:
                unreadable += [str(error)] * len(readable)
                readable = []
            for name, content in files.items():
                write_atomic(self.context.run.file("masks", name), content)
            areas = [self._area(row, text, made[row][text])
                     for row in readable for text in self.texts]  # fmt: skip
            note = {"files": list(files), "areas": areas, "unreadable": unreadable}
            write_json(self._note(source), note)

    def _made(self, rows: Sequence[int]) -> dict[int, dict[str, NDArray[np.bool_]]]:
        """Return each row's masks by text, and leave their pictures."""
        made = {}
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            maps = explainer(self.method)(
                self.context.model, self.cases.select(np.array(some)).images, list(self.texts),
                device=self.context.device, **self.mapping,
            )  # fmt: skip
            for row, heats in zip(some, maps, strict=True):
                image = self.cases.images[row]
                made[row] = {h.target: self._mask(image, h) for h in heats}
                for heat in heats:
                    mask = Mask(made[row][heat.target], heat.target)
                    write_atomic(
                        self.overlay(row, heat.target), picture(image, mask=mask, heatmap=heat)
                    )
        return made

    def _mask(self, image: NDArray[np.uint8], heat: Heatmap) -> NDArray[np.bool_]:
        if self.segmenter.by_words is not None:
            return self.segmenter.by_words(image, heat.target)
        first_HW = refine(heat, image, **self.refining).values_HW
        return np.asarray(self.segmenter.from_boxes(image, first_HW), bool)

    def _files(
        self, source: Source, made: dict[int, dict[str, NDArray[np.bool_]]]
    ) -> dict[str, bytes]:
        """Return the files of a source; a picture of it that cannot be read has no mask there."""
        places = [place for place, row in enumerate(source.rows) if row in made]
        readable = Source(
            source.name, source.kind, source.file,
            tuple(source.picks[p] for p in places), tuple(source.rows[p] for p in places),
        )  # fmt: skip
        by_text = {text: [made[row][text] for row in readable.rows] for text in self.texts}
        return readable.files(by_text, method=self.way)

    def _fault(self, row: int) -> str:
        try:
            self.cases.images[row]
        except ImageError as error:
            return str(error)
        return ""

    def _area(self, row: int, text: str, mask_HW: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "case": str(self.cases.case_ids[row]),
            "text": text,
            "share": float(mask_HW.mean()),
            "components": len(boxes_of(mask_HW)),
        }

    def _note(self, source: Source) -> Path:
        return self.context.run.file("areas", f"{source.name}.json")

    def overlay(self, row: int, text: str) -> Path:
        """Return where the picture of a case's mask lies."""
        name = f"{file_name(str(self.cases.case_ids[row]))}_{text_names(self.texts)[text]}.png"
        return self.context.run.file("overlays", name)
