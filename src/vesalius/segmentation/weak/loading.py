"""A segmenter comes back from the folder that it was trained in."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

from torch import nn

from vesalius.core import TrainingError
from vesalius.segmentation.weak.learning import Segmenter, channels_of, cycle_folder
from vesalius.training.checkpoint import Checkpoints, recorded_progress, recorded_settings


def load_segmenter(model: nn.Module, folder: str | Path) -> Segmenter:
    """Return the segmenter of a finished training (``conditions.folder``), in evaluation mode.

    ``model`` is built as the one that was trained, and stays; of its weights only those count that
    were frozen in the training.

    Raises:
        TrainingError: the folder holds no training of a segmenter, one that has not ended, or one
            of another model.
        ModelError: see :func:`train_segmenter`.
    """
    first = recorded_settings(cycle_folder(folder, 1))
    if first.get("task") != "segment":
        raise TrainingError(f"{folder} holds no training of a segmenter: no cycle-1 is in it")
    snapshots = []
    for cycle in range(1, first["cycles"] + 1):
        own = cycle_folder(folder, cycle)
        progress = recorded_progress(own)
        if progress is None or not progress.finished:
            raise TrainingError(
                f"{folder}: cycle {cycle} of {first['cycles']} has not ended; train_segmenter with "
                "the same data and settings goes on with it"
            )
        snapshot = deepcopy(model)
        Checkpoints(own, {}).load_best(snapshot, progress.best_epoch)
        snapshots.append(snapshot.eval())
    return Segmenter(tuple(snapshots), first["size"], channels_of(model, first["size"]))
