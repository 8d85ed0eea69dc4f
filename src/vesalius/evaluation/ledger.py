"""The ledger as a file: one row per case × label, CSV or Parquet, of ours or another tool's.

Columns ``case_id, label, score, truth``, and where known ``patient_id, split, task, method, run,
seed``; every other column is an attribute of the case (age, sex, site, …). A blank truth is
unknown, a blank score is one that the model did not give.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vesalius.core.errors import DataError
from vesalius.core.files import write_atomic
from vesalius.core.predictions import Predictions
from vesalius.evaluation.ledger_cells import Table
from vesalius.evaluation.ledger_rows import to_columns, to_ledgers

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = ".csv, .tsv or .parquet"


def read_ledger(
    path: str | Path,
    *,
    method: str | None = None,
    columns: Mapping[str, str] | None = None,
    attributes: Sequence[str] | None = None,
    task: str | None = None,
) -> Predictions:
    """Return the predictions in a file that holds one method, or those of ``method``.

    Args:
        path: a ``.csv`` (parted by commas, semicolons or tabs), ``.tsv`` or ``.parquet`` file.
        method: which one, where the file holds several.
        columns: our name → the file's, for another tool's words: ``{"case_id": "image"}``.
        attributes: which other columns to keep; default all.
        task: ``multilabel`` or ``multiclass``, where the file does not say (default multilabel).

    Raises:
        DataError: naming file, row, column and value of what is wrong.
    """
    ledgers = read_ledgers(path, columns=columns, attributes=attributes, task=task)
    if method is None:
        if len(ledgers) > 1:
            raise DataError(
                f"{path} holds several methods: choose one of {', '.join(map(repr, ledgers))} "
                "with method=…, or read them all with read_ledgers"
            )
        return next(iter(ledgers.values()))
    if method not in ledgers:
        raise DataError(f"{path} has no method {method!r}; choose one of {', '.join(ledgers)}")
    return ledgers[method]


def read_ledgers(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    attributes: Sequence[str] | None = None,
    task: str | None = None,
) -> dict[str, Predictions]:
    """Return all predictions in a file, by method (with run and seed where they tell it apart)."""
    path = Path(path)
    if path.suffix == ".parquet":
        table = Table(str(path), _read_parquet(path), first_row=1)
    elif path.suffix in DELIMITERS:
        table = Table(str(path), _read_csv(path), first_row=2)
    else:
        raise DataError(f"{path}: a ledger is {SUFFIXES}, not {path.suffix or 'without a suffix'}")
    return to_ledgers(table, columns=columns or {}, attributes=attributes, task=task)


def write_ledger(path: str | Path, predictions: Predictions | Sequence[Predictions]) -> Path:
    """Write one or several methods' predictions; the file is whole or absent.

    What is read back is equal, number for number. Only Parquet also keeps the types of attributes;
    from CSV, attributes that look like numbers come back as numbers.
    """
    path = Path(path)
    ledgers = [predictions] if isinstance(predictions, Predictions) else list(predictions)
    columns = to_columns(ledgers, str(path))
    if path.suffix == ".parquet":
        return write_atomic(path, lambda temporary: _write_parquet(temporary, columns))
    if path.suffix in DELIMITERS:
        return write_atomic(path, _as_csv(columns, DELIMITERS[path.suffix]))
    raise DataError(f"{path}: a ledger is {SUFFIXES}, not {path.suffix or 'without a suffix'}")


def _read_csv(path: Path) -> dict[str, list[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            delimiter = DELIMITERS[path.suffix]
            if path.suffix == ".csv":  # a spreadsheet may part by what its country parts by
                delimiter = max(",;\t", key=opened.readline().count)
                opened.seek(0)
            rows = list(csv.reader(opened, delimiter=delimiter))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a UTF-8 {path.suffix[1:].upper()} file: {error}") from error
    while rows and not rows[-1]:  # blank lines at the end
        rows.pop()
    if not rows:
        raise DataError(f"{path} is empty; a ledger begins with its column names")
    names, *values = rows
    for number, row in enumerate(values, start=2):
        if len(row) != len(names):
            raise DataError(f"{path}, row {number}: {len(row)} values for {len(names)} columns")
    if len(set(names)) != len(names):
        raise DataError(f"{path}: a column name occurs twice in {', '.join(names)}")
    table = zip(*values, strict=True) if values else [()] * len(names)
    return {name: list(column) for name, column in zip(names, table, strict=True)}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
        return {name: table.column(name).to_pylist() for name in table.column_names}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}") from error


def _as_csv(columns: Mapping[str, list[Any]], delimiter: str) -> str:
    text = io.StringIO(newline="")
    # RFC 4180's line ends: with them the writer quotes a lone \r in a name too
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    # repr of a float reads back as the same float; None is written as a blank
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _write_parquet(path: Path, columns: Mapping[str, list[Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({name: pa.array(v) for name, v in columns.items()}), path)
