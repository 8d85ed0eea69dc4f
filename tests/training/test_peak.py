"""Peak memory is that of a training, not of what the process did before it."""

import os

import pytest
import torch

from vesalius.training.peak import forget_peak, peak_mb


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system cannot forget a peak"
)
def test_a_peak_that_went_by_is_forgotten_and_a_new_one_is_seen():
    ballast = torch.ones(64 * 2**20)
    del ballast  # 256 MB, given back
    with_it = peak_mb("cpu")
    forget_peak("cpu")
    without = peak_mb("cpu")
    assert without < with_it - 200
    ballast = torch.ones(32 * 2**20)
    assert without + 100 < peak_mb("cpu") < with_it
    assert len(ballast)


def test_where_nothing_can_be_forgotten_the_peak_is_that_of_the_process(monkeypatch, tmp_path):
    from vesalius.training import peak

    monkeypatch.setattr(peak, "PROCESS", tmp_path / "nowhere")
    forget_peak("cpu")
    assert peak_mb("cpu") > 50
