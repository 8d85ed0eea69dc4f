"""The data audit: what the numbers of a study rest on."""

from __future__ import annotations

from vesalius.core import CaseSet, ImageError
from vesalius.data import Inspection
from vesalius.data.inspection.region_counts import QuestionCount
from vesalius.reporting import Block, Column, Details, Notice, Row, Section, Table, figures
from vesalius.studies.outlines import outlines

PICTURES = 12
STEPS_SHOWN = 20
DUPLICATES_SHOWN = 20
QUESTIONS_SHOWN = 2  # of each image that is pictured


def audit_section(cases: CaseSet, found: Inspection) -> Section:
    """Return counts, labels with their unknowns, what was left out, and a contact sheet."""
    blocks: list[Block] = [_counts(found), *_warnings(found), *_columns(found)]
    if found.labels:
        blocks.append(_labels(found))
        blocks.append(figures.prevalence(cases.labels_NC, cases.label_names))
    blocks += _regions(found)
    if len(found.labels) > 1 and cases.task == "multilabel":
        blocks.append(figures.cooccurrence(cases.labels_NC, cases.label_names))
    blocks.append(contact_sheet(cases))
    if found.questions is not None:
        blocks += _questions(cases, found.questions)
    if found.steps:
        blocks.append(_steps(found))
    if found.duplicates:
        same = [(", ".join(ids),) for ids in found.duplicates[:DUPLICATES_SHOWN]]
        title = f"Images that occur more than once: {len(found.duplicates):,}"
        blocks.append(Details(title, [Table(("Cases with the same pixels",), same)]))
    if found.unreadable:
        broken = [(bad.name, bad.reason) for bad in found.unreadable]
        title = f"Images or masks that cannot be read: {len(broken):,}"
        blocks.append(Details(title, [Table(("Image", "Why"), broken)]))
    return Section("What the data are", "Counted before anything was learnt.", blocks)


def _columns(found: Inspection) -> list[Block]:
    """Return how the columns of a table were read, and what was perhaps meant."""
    if found.columns is None:
        return []
    rows = [(role, ", ".join(names)) for role, names in found.columns.roles.items() if names]
    hints = [Notice(hint, "warning") for hint in found.columns.hints]
    return [*hints, Details("How the columns were read", [Table(("Read as", "Columns"), rows)])]


def _counts(found: Inspection) -> Table:
    rows: list[tuple[str, str | int]] = [("Source", found.source), ("Cases", found.cases)]
    rows.append(("Patients", "not known" if found.patients is None else found.patients))
    if found.patients is not None:
        rows.append(("Most cases of one patient", found.most_per_patient))
    rows += [(f"Cases in {name}", count) for name, count in found.splits.items()]
    if found.labels:
        rows.append(("Cases where every label is known to be absent", found.no_label))
    if found.texts is not None:
        texts = found.texts
        rows.append(("Cases with a text", texts.present))
        rows.append(("Different texts", texts.distinct))
        lengths = f"{texts.shortest:,} / {texts.median:,} / {texts.longest:,}"
        rows.append(("Words of a text: least / median / most", lengths))
    sizes = ", ".join(f"{size} ({count:,})" for size, count in list(found.sizes.items())[:3])
    more = len(found.sizes) - 3
    if sizes:
        rows.append(("Image sizes", f"{sizes}{f' and {more:,} more' if more > 0 else ''}"))
    rows.append(("Rows left out", len(found.skipped)))
    rows.append(("Images or masks that cannot be read", len(found.unreadable)))
    return Table(("What", "Count"), rows)


def _labels(found: Inspection) -> Table:
    by_split = [Column(split, group="Positive in") for split in found.splits]
    columns: list[Column | str] = ["Label", "Positive", "Negative", "Unknown"]
    columns += [Column("Prevalence among known", percent=True), *by_split]
    rows = [
        Row((own.name, own.positive, own.negative, own.unknown, own.prevalence,
             *(own.positive_by_split.get(split, 0) for split in found.splits)))
        for own in found.labels
    ]  # fmt: skip
    return Table(columns, rows)


def _steps(found: Inspection) -> Details:
    """List the ways from stored values to pixels, the most frequent first."""
    rows: list[tuple[str, int]] = list(found.steps.items())[:STEPS_SHOWN]
    rest = list(found.steps.values())[STEPS_SHOWN:]
    if rest:
        rows.append((f"{len(rest):,} other ways", sum(rest)))
    ways = len(found.steps)
    title = f"How files became pixels: {ways:,} {'way' if ways == 1 else 'ways'}"
    return Details(title, [Table(("Steps", "Images"), rows)])


def _warnings(found: Inspection) -> list[Notice]:
    notices = []
    if found.shared_patients:
        notices.append(
            f"{found.shared_patients:,} patients lie in more than one split: scores on test are "
            "then too good. Split by patient instead (split.by=patient)."
        )
    if found.duplicates_across_splits:
        notices.append(
            f"{_groups(found.duplicates_across_splits)} in more than one split: the test set then "
            "holds what was learnt from, and scores on it are too good. Leave the copies out, or "
            "give them one patient id."
        )
    if found.patients is None:
        notices.append(
            "The source names no patients: images of one patient may lie on both sides of a split, "
            "and intervals treat every case as independent."
        )
    return [Notice(text, "warning") for text in notices]


def _groups(n: int) -> str:
    return "1 image occurs" if n == 1 else f"{n:,} images occur, with the same pixels,"


def _regions(found: Inspection) -> list[Block]:
    """Return tables of masks and of boxes, where there are some."""
    blocks: list[Block] = []
    if found.masks:
        rows = [(own.target, own.cases, own.empty) for own in found.masks]
        blocks.append(Table(("Mask of", "Cases", "Of these empty"), rows))
    if found.boxes:
        blocks.append(Table(("Box around", "Boxes"), list(found.boxes.items())))
    return blocks


def _questions(cases: CaseSet, asked: QuestionCount) -> list[Block]:
    """Return counts of questions, the frequent answers, and what is asked about the pictures."""
    counts = [
        ("All", asked.total), ("Closed", asked.closed), ("Open", asked.open),
        ("Different", asked.distinct), ("Images with a question", asked.cases),
    ]  # fmt: skip
    answers = [(answer, n, n / asked.closed) for answer, n in asked.answers]
    share = Column("Share of closed questions", percent=True)
    pictured = (cases[i] for i in _spread(cases))
    shown = [
        (case.case_id, question.question, question.answer, question.kind)
        for case in pictured
        for question in case.questions[:QUESTIONS_SHOWN]
    ]
    found: list[Block] = [Table(("Questions", "Count"), counts)]
    if answers:
        found.append(Table(("Frequent answer to a closed question", "Count", share), answers))
    table = Table(("Case", "Question", "Answer", "Kind"), shown)
    return [*found, Details("Questions about the images shown", [table])]


def contact_sheet(cases: CaseSet) -> Block:
    """Draw cases spread evenly over the set, with positive labels and what is outlined."""
    images, captions, masks, boxes = [], [], [], []
    for i in _spread(cases):
        case = cases[i]
        try:
            image = case.image.read()
        except ImageError:
            continue
        images.append(image)
        positive = [name for name, state in case.labels.items() if state]
        captions.append(", ".join(positive) or ("no finding" if case.labels else case.case_id))
        outlined, framed = outlines(case)
        masks.append(outlined)
        boxes.append(framed)
    caption = "Every so many cases, one."
    if any(masks):
        caption += " Orange: the masks."
    if any(boxes):
        caption += " Blue: the boxes."
    return figures.contact_sheet(images, captions, masks=masks, boxes=boxes, caption=caption)


def _spread(cases: CaseSet) -> list[int]:
    """Return the positions of the cases that are pictured."""
    step = max(len(cases) // PICTURES, 1)
    return list(range(0, len(cases), step))[:PICTURES]
