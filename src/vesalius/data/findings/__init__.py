"""Findings from reports: a labeller by rules, with the words that made each label."""

from vesalius.data.findings.labelled import with_findings
from vesalius.data.findings.labeller import Mention, findings_of, label_reports

__all__ = ["Mention", "findings_of", "label_reports", "with_findings"]
