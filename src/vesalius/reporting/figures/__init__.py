"""Figures: from data to SVG or PNG bytes with an alternative text, in one look.

Every function takes data and returns a :class:`~vesalius.reporting.Figure` that a page can hold
(``figure.data`` are the bytes). Importing this folder loads numpy alone; matplotlib and
scikit-learn come in when a figure is drawn.
"""

from vesalius.reporting.figures.calibration import Bins, reliability
from vesalius.reporting.figures.contact_sheet import contact_sheet, ranked_sheet
from vesalius.reporting.figures.forest import forest
from vesalius.reporting.figures.hero import hero
from vesalius.reporting.figures.learning import learning_curves
from vesalius.reporting.figures.matrix import confusion, cooccurrence, heat_map
from vesalius.reporting.figures.null import null_histogram
from vesalius.reporting.figures.overlay import overlays
from vesalius.reporting.figures.pair import pair
from vesalius.reporting.figures.picture import picture
from vesalius.reporting.figures.power import power_curve
from vesalius.reporting.figures.prevalence import prevalence
from vesalius.reporting.figures.projection import Projection, embedding_map, map_figure, project
from vesalius.reporting.figures.retrieval import recall_at_k
from vesalius.reporting.figures.roc import RocCurve, roc_curves
from vesalius.reporting.figures.trend import trend

__all__ = [
    "Bins",
    "Projection",
    "RocCurve",
    "confusion",
    "contact_sheet",
    "cooccurrence",
    "embedding_map",
    "forest",
    "heat_map",
    "hero",
    "learning_curves",
    "map_figure",
    "null_histogram",
    "overlays",
    "pair",
    "picture",
    "power_curve",
    "prevalence",
    "project",
    "ranked_sheet",
    "recall_at_k",
    "reliability",
    "roc_curves",
    "trend",
]
