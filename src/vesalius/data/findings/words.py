"""The labeller's vocabulary, as compiled patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from vesalius.data.tables.vocabulary import CHEXPERT

OTHER = "other"  # an abnormality outside the fourteen
KINDS = ("never", "absent", "present")  # at one place the first that matches is taken
ENDS = r"[;:]|,(?=\s+(?:the\s+)?(?:heart|lungs|cardiac)\b)"  # ends a clause, beside the words


@dataclass(frozen=True, slots=True)
class Words:
    """The patterns: one for each finding, with the mention's kind as the group that matched."""

    findings: Mapping[str, re.Pattern[str]]
    cues: re.Pattern[str]
    headings: re.Pattern[str]


@cache
def words() -> Words:
    """Return the vocabulary of ``vocabulary.yaml``.

    >>> words().findings["Pneumothorax"].search("No apical Pneumothorax.").span()
    (10, 22)
    """
    import yaml

    home = resources.files("vesalius.data.findings")
    table = yaml.safe_load(home.joinpath("vocabulary.yaml").read_text(encoding="utf-8"))
    own = table["findings"] | {OTHER: {"present": table["other"]}}
    findings = {
        name: _pattern({kind: own[name][kind] for kind in KINDS if kind in own[name]})
        for name in (*CHEXPERT[1:], OTHER)
    }
    headings = "|".join(
        f"(?P<{kind}>{'|'.join(_spaced(table[kind]))})" for kind in ("unread", "read")
    )
    cues = _pattern(table["cues"]).pattern + f"|(?P<stop>{ENDS})"
    return Words(
        findings=findings,
        cues=re.compile(cues, re.IGNORECASE),
        headings=re.compile(rf"\b(?:{headings})\s*:", re.IGNORECASE),
    )


def _pattern(kinds: Mapping[str, Iterable[str]]) -> re.Pattern[str]:
    groups = (f"(?P<{kind}>{'|'.join(_spaced(entries))})" for kind, entries in kinds.items())
    return re.compile(rf"\b(?:{'|'.join(groups)})\b", re.IGNORECASE)


def _spaced(entries: Iterable[str]) -> list[str]:
    return [entry.replace(" ", r"\s+") for entry in entries]
