"""Looks, kept by the content hash of their image: a second audit decodes nothing again.

One SQLite file in the audit's folder (or memory). What is on disk need not lie in memory, and a
kill leaves the looks that were put before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vesalius.core import DataError

if TYPE_CHECKING:
    from vesalius.data.audit.looks import Look

VERSION = 1  # of what a look holds: another version looks again
AT_ONCE = 500  # values in one question


class LookStore:
    """Looks by content hash, in a file or in memory.

    Raises:
        DataError: the file cannot be opened or written, or is no store.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(":memory:" if path is None else path)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute(
                f"CREATE TABLE IF NOT EXISTS look_{VERSION} (content TEXT PRIMARY KEY, pixels TEXT,"
                " width INT, height INT, text_rows INT, fault TEXT, thumbnail BLOB) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"{path}: looks cannot be kept here ({error})") from None

    def __enter__(self) -> LookStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def put(self, looks: Iterable[tuple[str, Look]]) -> None:
        """Keep looks."""
        rows = [(digest, *look) for digest, look in looks]
        try:
            with self._database:
                self._database.executemany(
                    f"INSERT OR REPLACE INTO look_{VERSION} VALUES (?,?,?,?,?,?,?)", rows
                )
        except sqlite3.Error as error:
            raise DataError(f"{self.path}: looks cannot be kept here ({error})") from None

    def get(self, hashes: Sequence[str]) -> Mapping[str, Look]:
        """Return the looks that are kept, by content hash."""
        from vesalius.data.audit.looks import Look

        return {row[0]: Look(*row[1:]) for row in self._rows(hashes, "*")}

    def without_thumbnails(self, hashes: Sequence[str]) -> list[Look]:
        """Return one look a hash, in order, its thumbnail left on disk."""
        from vesalius.data.audit.looks import Look

        columns = "content, pixels, width, height, text_rows, fault, X''"
        found = {row[0]: Look(*row[1:]) for row in self._rows(hashes, columns)}
        return [found[digest] for digest in hashes]

    def missing(self, hashes: Sequence[str]) -> set[str]:
        """Return the hashes that no look is kept of."""
        return set(hashes) - {row[0] for row in self._rows(hashes, "content")}

    def _rows(self, hashes: Sequence[str], columns: str) -> Iterable[tuple]:
        distinct = list(dict.fromkeys(hashes))
        for start in range(0, len(distinct), AT_ONCE):
            some = distinct[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            question = f"SELECT {columns} FROM look_{VERSION} WHERE content IN ({marks})"
            try:
                yield from self._database.execute(question, some)
            except sqlite3.Error as error:
                raise DataError(f"{self.path} is not a readable store of looks: {error}") from None
