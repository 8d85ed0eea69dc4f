"""Explanation: where in the image a model finds what it scores.

Importing this folder imports no torch; the names below load when they are first touched.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vesalius.core.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from vesalius.core import Heatmap
    from vesalius.explanation.attention import attention_rollout, relevance
    from vesalius.explanation.bottleneck import bottleneck
    from vesalius.explanation.gradcam import gradcam, gradcam_maps
    from vesalius.explanation.gscorecam import gscorecam
    from vesalius.explanation.occlusion import occlusion

EXPLAINERS = {
    "attention_rollout": "vesalius.explanation.attention:attention_rollout",
    "bottleneck": "vesalius.explanation.bottleneck:bottleneck",
    "gradcam": "vesalius.explanation.gradcam:gradcam",
    "gscorecam": "vesalius.explanation.gscorecam:gscorecam",
    "occlusion": "vesalius.explanation.occlusion:occlusion",
    "relevance": "vesalius.explanation.attention:relevance",
}
"""Name -> place of an explainer, ``(model, images, targets) -> heatmaps``."""


def explainer(name: str) -> "Callable[..., list[list[Heatmap]]]":
    """Return the explainer of a name.

    Raises:
        ChoiceError: there is none of that name.
    """
    if name not in EXPLAINERS:
        raise unknown("explainer", name, EXPLAINERS)
    module, _, function = EXPLAINERS[name].partition(":")
    found: Callable[..., list[list[Heatmap]]] = getattr(import_module(module), function)
    return found


_HOME = {
    "attention_rollout": "attention",
    "bottleneck": "bottleneck",
    "gradcam": "gradcam",
    "gradcam_maps": "gradcam",
    "gscorecam": "gscorecam",
    "occlusion": "occlusion",
    "relevance": "attention",
}

__all__ = [
    "EXPLAINERS",
    "attention_rollout",
    "bottleneck",
    "explainer",
    "gradcam",
    "gradcam_maps",
    "gscorecam",
    "occlusion",
    "relevance",
]


class _Functions(ModuleType):
    """A module whose functions win over its files of the same name (as in ``evaluation``)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Functions


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
