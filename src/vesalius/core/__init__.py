"""The nouns: what flows through the house. numpy only.

They load when they are first touched, so that a command line that only parses loads nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.core.case import (
        ArrayImages,
        Box,
        Case,
        ImageColumn,
        LazyImage,
        Question,
        RegionColumn,
        Regions,
        mask_box,
    )
    from vesalius.core.case_set import CaseSet, Skipped
    from vesalius.core.embeddings import Embeddings
    from vesalius.core.errors import (
        ChoiceError,
        DataError,
        ImageError,
        ModelError,
        RankError,
        RecipeError,
        TrainingError,
        VesaliusError,
        unknown,
    )
    from vesalius.core.heatmap import Heatmap, Mask
    from vesalius.core.predictions import Predictions
    from vesalius.core.run import Run
    from vesalius.core.score import Score

_HOME = {
    "case": ("ArrayImages", "Box", "Case", "ImageColumn", "LazyImage", "Question", "RegionColumn",
             "Regions", "mask_box"),
    "case_set": ("CaseSet", "Skipped"),
    "embeddings": ("Embeddings",),
    "errors": ("ChoiceError", "DataError", "ImageError", "ModelError", "RankError",
               "RecipeError", "TrainingError", "VesaliusError", "unknown"),
    "heatmap": ("Heatmap", "Mask"),
    "predictions": ("Predictions",),
    "run": ("Run",),
    "score": ("Score",),
}  # fmt: skip

__all__ = [
    "ArrayImages",
    "Box",
    "Case",
    "CaseSet",
    "ChoiceError",
    "DataError",
    "Embeddings",
    "Heatmap",
    "ImageColumn",
    "ImageError",
    "LazyImage",
    "Mask",
    "ModelError",
    "Predictions",
    "Question",
    "RankError",
    "RecipeError",
    "RegionColumn",
    "Regions",
    "Run",
    "Score",
    "Skipped",
    "TrainingError",
    "VesaliusError",
    "mask_box",
    "unknown",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
