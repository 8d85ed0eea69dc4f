"""The nouns: what flows through the house. numpy only."""

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
    RecipeError,
    TrainingError,
    VesaliusError,
    unknown,
)
from vesalius.core.heatmap import Heatmap, Mask
from vesalius.core.predictions import Predictions
from vesalius.core.run import Run
from vesalius.core.score import Score

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
