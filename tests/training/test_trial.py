"""A loss is tried before any work: what cannot be computed is refused with its name."""

import pytest

from vesalius.core import ChoiceError, DataError, TrainingError
from vesalius.objectives import dhn_nce, infonce, nt_xent
from vesalius.training.trial import try_out


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.2}, {"tile": 1}])
def test_what_can_be_computed_passes(settings):
    try_out("nt_xent", nt_xent, settings)


def test_a_setting_that_the_loss_does_not_have_is_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'temperature'"):
        try_out("nt_xent", nt_xent, {"temperatur": 1})


def test_data_is_no_setting():
    with pytest.raises(ChoiceError, match="logit_scale"):
        try_out("infonce", infonce, {"logit_scale": 3}, {"logit_scale": 1.0})


@pytest.mark.parametrize("value", ["hot", None, [1]])
def test_a_value_of_the_wrong_kind_is_named_with_its_loss(value):
    with pytest.raises((TrainingError, DataError), match="dhn_nce.*temperature"):
        try_out("dhn_nce", dhn_nce, {"temperature": value})
