"""YAML from people one does not know: plain values, no aliases, of a bounded size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vesalius.core import DataError

LARGEST = 1_000_000  # bytes; what a person writes is smaller


def read_yaml(path: Path) -> Any:
    """Return the plain values of a YAML file.

    Aliases are refused: a few lines of them stand for billions of values ("billion laughs").

    Raises:
        DataError: the file is missing, too large, not valid YAML, or holds aliases or objects.
    """
    import yaml

    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path} is larger than {LARGEST:,} bytes; no person wrote it")
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise DataError(f"{path}: YAML aliases (*name) are not allowed; write the value out")
        return yaml.safe_load(text)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid YAML: {error}") from None
