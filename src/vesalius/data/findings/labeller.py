"""Findings in a report's words: which are stated, denied or doubted, and where it says so.

After NegEx, NegBio and the CheXpert labeller: a report is cut into sentences, a sentence into
clauses; a cue of negation or doubt reaches the mentions before or after it as far as its clause
does. The words themselves lie in ``vocabulary.yaml``.

Legend: N reports, F findings.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from vesalius.core import DataError
from vesalius.data.findings.words import OTHER, Words, words
from vesalius.data.progress import bar
from vesalius.data.tables.vocabulary import CHEXPERT

if TYPE_CHECKING:
    from jaxtyping import Float

PRESENT, ABSENT, UNCERTAIN = 1, 0, -1
BOUNDARY = re.compile(r"(?<=[.!?])(?<!\bDr\.)\s+|\s*\n\s*\n\s*")
RANK = {PRESENT: 2, UNCERTAIN: 1, ABSENT: 0}  # what wins within a report
AT_ONCE = 256
SENTENCES_KEPT = 65_536


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of a finding: ``text[start:end]``, in the sentence ``text[first:last]``.

    ``state`` is 1 (present), 0 (absent) or -1 (uncertain); ``cue`` are the words that made it
    absent or uncertain, empty where the mention says so itself.
    """

    finding: str
    state: int
    start: int
    end: int
    first: int
    last: int
    cue: str = ""

    def marked(self, text: str) -> str:
        """Return the sentence with the mention between brackets.

        >>> text = "Heart size normal. No pleural effusion."
        >>> findings_of(text)[-1].marked(text)
        'No [pleural effusion].'
        """
        before, after = text[self.first : self.start], text[self.end : self.last]
        return f"{before}[{text[self.start : self.end]}]{after}"


def findings_of(text: str) -> list[Mention]:
    """Return what a report says of the CheXpert findings, in the order of the text.

    Text under a heading such as ``INDICATION:`` is not read. ``No Finding`` is never mentioned: it
    follows from the others (:func:`label_reports`).

    Source: Chapman et al. 2001 (NegEx); Peng et al. 2018 (NegBio); Irvin et al. 2019 (CheXpert).

    >>> text = "Mild cardiomegaly. No pneumothorax or effusion; possible atelectasis."
    >>> [(m.finding, m.state, text[m.start : m.end]) for m in findings_of(text)][:2]
    [('Cardiomegaly', 1, 'cardiomegaly'), ('Pneumothorax', 0, 'pneumothorax')]
    >>> [(m.finding, m.state, m.cue) for m in findings_of(text)][2:]
    [('Pleural Effusion', 0, 'No'), ('Atelectasis', -1, 'possible')]
    """
    return [mention for mention in _mentions(text) if mention.finding != OTHER]


def label_reports(
    texts: Sequence[str | None], *, progress: bool = False
) -> Float[np.ndarray, "N F"]:
    """Return a row for each report over ``CHEXPERT``: 1, 0, -1 (uncertain) or NaN (not mentioned).

    Of several mentions the first of present, uncertain, absent counts. ``No Finding`` is 1 where no
    other finding but ``Support Devices``, and no abnormality outside the list, is present or
    uncertain, else 0. A report without text is unknown in everything.

    >>> label_reports(["Heart size is normal. Small left effusion.", None])[:, [0, 2, 10]]
    array([[ 0.,  0.,  1.],
           [nan, nan, nan]])

    Raises:
        DataError: a text is neither words nor None.
    """
    if isinstance(texts, str):
        raise DataError("label_reports takes a list of reports, not one text")
    labels_NF = np.full((len(texts), len(CHEXPERT)), nan)
    with bar("reading reports", len(texts), unit="reports", show=progress) as advance:
        for start in range(0, len(texts), AT_ONCE):
            part = texts[start : start + AT_ONCE]
            for row, text in enumerate(part, start):
                if text is not None and not isinstance(text, str):
                    raise DataError(f"report {row} is {type(text).__name__}, not words or None")
                labels_NF[row] = _states(text)
            advance(len(part))
    return labels_NF


def _states(text: str | None) -> list[float]:
    if text is None or not text.strip():
        return [nan] * len(CHEXPERT)
    said: dict[str, int] = {}
    for mention in _mentions(text):
        before = said.get(mention.finding)
        if before is None or RANK[mention.state] > RANK[before]:
            said[mention.finding] = mention.state
    found = any(state != ABSENT for name, state in said.items() if name != "Support Devices")
    states = {**said, "No Finding": int(not found)}
    return [float(states.get(name, nan)) for name in CHEXPERT]


def _mentions(text: str) -> Iterator[Mention]:
    own = words()
    for first, last in _sentences(text, own):
        for finding, state, start, end, cue in _read(text[first:last]):
            yield Mention(finding, state, first + start, first + end, first, last, cue)


def _sentences(text: str, own: Words) -> Iterator[tuple[int, int]]:
    """Yield the bounds of each sentence that is read, without blanks around it."""
    headings = [(m.end(), m.lastgroup == "read") for m in own.headings.finditer(text)]
    starts = [place for place, _ in headings]
    cuts = sorted({0, len(text), *starts, *(m.end() for m in BOUNDARY.finditer(text))})
    for first, last in zip(cuts, cuts[1:], strict=False):
        under = bisect_right(starts, first)
        if under == 0 or headings[under - 1][1]:
            while first < last and text[first].isspace():
                first += 1
            while first < last and text[last - 1].isspace():
                last -= 1
            if first < last:
                yield first, last


@lru_cache(maxsize=SENTENCES_KEPT)
def _read(sentence: str) -> tuple[tuple[str, int, int, int, str], ...]:
    """Return finding, state, start, end and cue of each mention in a sentence, in its order."""
    own = words()
    cues = [(m.start(), m.end(), str(m.lastgroup)) for m in own.cues.finditer(sentence)]
    found = []
    for finding, patterns in own.findings.items():
        for match in patterns.finditer(sentence):
            start, end = match.span()
            if match.lastgroup == "never":
                continue
            state, cue = _state(cues, start, end)
            if match.lastgroup == "absent":
                if state == ABSENT and sentence[cue[0] : cue[1]].lower() == "not":
                    continue  # "not normal" says nothing of which way
                state, cue = ABSENT, (0, 0)
            if state is not None:
                found.append((finding, state, start, end, sentence[slice(*cue)]))
    return tuple(sorted(found, key=lambda mention: mention[2:4]))


def _state(
    cues: Iterable[tuple[int, int, str]], start: int, end: int
) -> tuple[int | None, tuple[int, int]]:
    """Return a mention's state (None: it says nothing of the film) and its cue's place."""
    before: dict[str, tuple[int, int]] = {}
    after: dict[str, tuple[int, int]] = {}
    for first, last, kind in cues:
        if last <= start:
            if kind in ("ends", "stop"):
                before.clear()
            elif kind in ("absent", "maybe", "ignored"):
                before[kind] = (first, last)
        elif first >= end:
            if kind in ("ends", "stop"):
                break
            if kind.endswith("_after"):
                after.setdefault(kind.removesuffix("_after"), (first, last))
    if "ignored" in before:
        return None, before["ignored"]
    if "maybe" in after:
        return UNCERTAIN, after["maybe"]
    if "absent" in before:
        return ABSENT, before["absent"]
    if "absent" in after:
        return ABSENT, after["absent"]
    if "maybe" in before:
        return UNCERTAIN, before["maybe"]
    return PRESENT, (0, 0)
