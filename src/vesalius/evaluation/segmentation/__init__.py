"""Masks against masks: overlap and the distance between outlines, case by case."""
