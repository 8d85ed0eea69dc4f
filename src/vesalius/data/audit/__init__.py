"""The audit: duplicates, leaks, contradictions, unreadable files, words that name a person."""

from vesalius.data.audit.auditing import Audit, Finding, Overlap, audit
from vesalius.data.audit.identifiers import masked, masked_name
from vesalius.data.audit.twins import Pair

__all__ = ["Audit", "Finding", "Overlap", "Pair", "audit", "masked", "masked_name"]
