"""Folders of tiny SAMs, written once."""

import importlib.util
from pathlib import Path

import pytest

PLACE = Path(__file__).parent / "tiny_sams.py"
spec = importlib.util.spec_from_file_location("tiny_sams", PLACE)
tiny_sams = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny_sams)


@pytest.fixture(scope="session")
def sams(tmp_path_factory):
    """Return a folder by the kind of its model."""
    from vesalius.encoders.offline import quiet

    root = tmp_path_factory.mktemp("sams")
    with quiet():
        for name, save in (
            ("sam", tiny_sams.save_sam),
            ("sam2", tiny_sams.save_sam2),
            ("sam2_video", lambda folder: tiny_sams.save_sam2(folder, video=True)),
            ("sam3", tiny_sams.save_sam3),
        ):
            (root / name).mkdir()
            save(root / name)
    return {folder.name: folder for folder in root.iterdir()}
