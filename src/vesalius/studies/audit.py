"""The data audit: what the numbers of a study rest on."""

from __future__ import annotations

import numpy as np

from vesalius.core import CaseSet, ImageError
from vesalius.data import Inspection
from vesalius.reporting import Block, Notice, Section, Table, figures

PICTURES = 12


def audit_section(cases: CaseSet, inspection: Inspection) -> Section:
    """Return counts, labels with their unknowns, what was left out, and a contact sheet."""
    blocks: list[Block] = []
    return Section("The data", "Counted before anything was learnt.", blocks)
