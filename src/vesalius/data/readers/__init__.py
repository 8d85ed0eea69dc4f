"""The formats that can be read: one file each, one line here."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from vesalius.core import CaseSet, DataError, unknown

READERS = {
    "busi": "vesalius.data.readers.busi:busi",
    "chexpert": "vesalius.data.readers.chexpert:chexpert",
    "coco": "vesalius.data.readers.coco:coco",
    "dicom": "vesalius.data.readers.dicom_folder:dicom",
    "folder": "vesalius.data.readers.folder:folder",
    "hf_dataset": "vesalius.data.readers.hf_dataset:hf_dataset",
    "iu_xray": "vesalius.data.readers.iu_xray:iu_xray",
    "iu_xray_r2gen": "vesalius.data.readers.iu_xray_r2gen:iu_xray_r2gen",
    "iu_xray_xml": "vesalius.data.readers.iu_xray_xml:iu_xray_xml",
    "manifest": "vesalius.data.readers.manifest:manifest",
    "medmnist": "vesalius.data.readers.medmnist:medmnist",
    "medpix": "vesalius.data.readers.medpix:medpix",
    "mimic_cxr_jpg": "vesalius.data.readers.mimic_cxr_jpg:mimic_cxr_jpg",
    "montgomery": "vesalius.data.readers.tuberculosis_cxr:montgomery",
    "nih_cxr14": "vesalius.data.readers.nih_cxr14:nih_cxr14",
    "nifti": "vesalius.data.readers.nifti_folder:nifti",
    "pairs": "vesalius.data.readers.pairs:pairs",
    "phantom": "vesalius.data.phantom:read",
    "pmc_oa": "vesalius.data.readers.pmc_oa:pmc_oa",
    "roco": "vesalius.data.readers.roco:roco",
    "rocov2": "vesalius.data.readers.rocov2:rocov2",
    "shenzhen": "vesalius.data.readers.tuberculosis_cxr:shenzhen",
    "slake": "vesalius.data.readers.slake:slake",
    "vindr_cxr": "vesalius.data.readers.vindr_cxr:vindr_cxr",
    "vqa_rad": "vesalius.data.readers.vqa_rad:vqa_rad",
    "webdataset": "vesalius.data.readers.webdataset:webdataset",
}


def read(reader: str, root: str | Path | None = None, **settings: Any) -> CaseSet:
    """Read a data set.

    Args:
        reader: one of ``READERS``.
        root: the folder (or file) of the data; the phantom takes none.
        settings: the reader's own, see :func:`settings_of`.

    Raises:
        ChoiceError: there is no such reader or setting; the message has the nearest right name.
        DataError: the folder is not what the reader needs; the message names what is missing.
    """
    function = reader_function(reader)
    known = settings_of(reader)
    for name in settings:
        if name not in known:
            raise unknown(f"setting of reader {reader!r}:", name, known)
    if not _takes_root(function):
        if root is not None:
            raise DataError(f"reader {reader!r} takes no folder, but {str(root)!r} was given")
        return function(**settings)
    return function(_existing(reader, root), **settings)


def reader_function(reader: str) -> Callable[..., CaseSet]:
    """Return the function that reads a format."""
    if reader not in READERS:
        raise unknown("reader", reader, READERS)
    module, _, name = READERS[reader].partition(":")
    function: Callable[..., CaseSet] = getattr(import_module(module), name)
    return function


def settings_of(reader: str) -> dict[str, Any]:
    """Return a reader's settings with their defaults.

    >>> settings_of("nih_cxr14")
    {'no_finding': False}
    """
    parameters = inspect.signature(reader_function(reader)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def meanings_of(reader: str) -> dict[str, str]:
    """Return what each setting of a reader means, from the ``Args`` of its docstring.

    >>> meanings_of("phantom")["n"]
    'films.'
    """
    text = inspect.getdoc(reader_function(reader)) or ""
    own = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
    meanings = {}
    for part in re.split(r"\n {4}(?=\S)", f"\n{own}"):
        name, _, meaning = part.partition(":")
        meanings[name] = " ".join(meaning.replace("``", "").split())
    return {name: meanings.get(name, "") for name in settings_of(reader)}


def _existing(reader: str, root: str | Path | None) -> Path:
    if root is None:
        raise DataError(f"reader {reader!r} needs the folder of the data: root, or data.root=…")
    path = Path(root).expanduser()
    if not path.exists():
        raise DataError(
            f"reader {reader!r}: there is no folder {str(root)!r} (looked for {path.absolute()})"
        )
    return path


def _takes_root(function: Callable[..., CaseSet]) -> bool:
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    return inspect.Parameter.POSITIONAL_OR_KEYWORD in kinds
