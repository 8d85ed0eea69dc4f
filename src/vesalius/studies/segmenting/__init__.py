"""Segmenting in a study: masks from words, beside the floors and the ceiling of any method."""
