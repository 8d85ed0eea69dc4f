"""How an encoder learns: image–text pretraining, fine-tuning, and the loop under both."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vesalius.training.settings import (
    FINE_TUNING,
    MANNER,
    MATCHING,
    PRETRAINING,
    REACH,
    Conditions,
    Fit,
    Manner,
    Matching,
    Optimisation,
    Reach,
)

if TYPE_CHECKING:
    from vesalius.training.classifier import Classifier
    from vesalius.training.fine_tuning import fine_tune
    from vesalius.training.loop import fit
    from vesalius.training.prediction import predict
    from vesalius.training.pretraining import contrast_of, pretrain
    from vesalius.training.running import Task
    from vesalius.training.saved_classifier import load_classifier, save_classifier
    from vesalius.training.self_supervised import (
        checked_views,
        pretrain_views,
        self_supervised_optimisation,
    )

_HOMES = {
    "Classifier": "classifier",
    "Task": "running",
    "checked_views": "self_supervised",
    "contrast_of": "pretraining",
    "fine_tune": "fine_tuning",
    "fit": "loop",
    "load_classifier": "saved_classifier",
    "predict": "prediction",
    "pretrain": "pretraining",
    "pretrain_views": "self_supervised",
    "self_supervised_optimisation": "self_supervised",
    "save_classifier": "saved_classifier",
}

__all__ = [
    "FINE_TUNING",
    "MANNER",
    "MATCHING",
    "PRETRAINING",
    "REACH",
    "Classifier",
    "Conditions",
    "Fit",
    "Manner",
    "Matching",
    "Optimisation",
    "Reach",
    "Task",
    "checked_views",
    "contrast_of",
    "fine_tune",
    "fit",
    "load_classifier",
    "predict",
    "pretrain",
    "pretrain_views",
    "self_supervised_optimisation",
    "save_classifier",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"vesalius.training.{_HOMES[name]}"), name)
