"""Questions about a film, with answers that follow from what was drawn."""

from __future__ import annotations

import numpy as np

from vesalius.core import Question
from vesalius.data.phantom.cohort import Study
from vesalius.data.phantom.findings import NAMES
from vesalius.data.phantom.reports import SHORT

WORDS = {**SHORT, "Support Devices": "support device"}


def questions(study: Study) -> tuple[Question, ...]:
    """Return closed questions about present and absent findings, and open ones about sides."""
    rng = np.random.default_rng([*study.seed, 78])
    shown = {lesion.name: lesion for lesion in study.lesions}
    absent = [name for name in NAMES if name not in shown]
    asked = [*shown, *rng.permutation(absent)[:2]]
    found = [
        Question(f"Is there a {WORDS[name]}?", "yes" if name in shown else "no", "closed")
        for name in asked
    ]
    for name, lesion in shown.items():
        if len(lesion.sides) == 1:
            found.append(
                Question(f"On which side is the {WORDS[name]}?", lesion.sides[0], "closed")
            )
        elif len(lesion.sides) == 2:
            found.append(Question(f"On which side is the {WORDS[name]}?", "both", "closed"))
        if lesion.kind:
            found.append(Question("Which device is seen?", lesion.kind, "open"))
    listed = ", ".join(WORDS[name] for name in shown) or "none"
    return (*found, Question("Which abnormalities are seen?", listed, "open"))
