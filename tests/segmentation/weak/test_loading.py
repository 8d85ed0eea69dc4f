"""A trained segmenter comes back from its folder, whole or not at all."""

from shutil import rmtree

import numpy as np
import pytest
from torch import nn

from vesalius.core import TrainingError
from vesalius.segmentation import load_segmenter, predict_masks, train_segmenter

SIDE = 32


@pytest.fixture
def trained(small, discs, conditions, quick):
    return train_segmenter(
        small, *discs(8), size=SIDE, checkpoints=2, optimisation=quick, conditions=conditions
    )


def test_what_is_loaded_draws_the_same_masks(trained, small, discs, conditions):
    loaded = load_segmenter(small, conditions.folder)
    assert (loaded.size, loaded.channels, len(loaded.snapshots)) == (SIDE, 1, 2)
    images, _ = discs(4, seed=1)
    found = [predict_masks(one, images, progress=False) for one in (trained, loaded)]
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one.probability_HW, other.probability_HW)
        assert np.array_equal(one.uncertainty_HW, other.uncertainty_HW)


def test_half_a_training_is_no_segmenter(trained, small, conditions):
    rmtree(conditions.folder / "cycle-2")
    with pytest.raises(TrainingError, match="cycle 2 of 2 has not ended"):
        load_segmenter(small, conditions.folder)


def test_a_folder_without_a_training_is_refused(small, tmp_path):
    with pytest.raises(TrainingError, match="holds no training of a segmenter"):
        load_segmenter(small, tmp_path)


def test_the_weights_of_another_model_are_refused(trained, conditions):
    with pytest.raises(TrainingError, match="weights of another model"):
        load_segmenter(nn.Conv2d(1, 1, 1), conditions.folder)
