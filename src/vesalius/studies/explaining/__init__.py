"""Explaining in a study: maps of where a model looks, scored against what radiologists outlined."""
