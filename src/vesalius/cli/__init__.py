"""The command line: verbs named like the folders. Heavy libraries load inside the commands."""

from vesalius.cli.main import app, main

__all__ = ["app", "main"]
