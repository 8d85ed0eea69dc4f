"""A text's vector, by each pooling, is what the words say; and strange configs are refused."""

import pytest
import torch
from torch import nn

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders.bert_tower import POOLINGS, BertTower

LONG, SHORT = [2, 5, 6, 7, 8, 3], [2, 9, 3, 0, 0, 0]


@pytest.fixture
def tower(small_bert):
    def make(pooling, **settings):
        shape = {**small_bert, "num_hidden_layers": 4}
        torch.manual_seed(0)
        return BertTower(shape, nn.Identity(), pooling=pooling, **settings).eval()

    return make


@torch.no_grad()
@pytest.mark.parametrize("pooling", sorted(set(POOLINGS) - {"three_layers_padded"}))
def test_the_longest_text_of_the_batch_changes_no_other(tower, pooling):
    together = tower(pooling)(torch.tensor([LONG, SHORT]))
    alone = tower(pooling)(torch.tensor([SHORT[:3]]))
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-6)


@torch.no_grad()
def test_over_all_positions_it_does(tower):
    together = tower("three_layers_padded")(torch.tensor([LONG, SHORT]))
    alone = tower("three_layers_padded")(torch.tensor([SHORT[:3]]))
    own = tower("three_layers")(torch.tensor([SHORT[:3]]))
    assert (together[1:] - alone).abs().max() > 1e-2
    torch.testing.assert_close(own, alone)


@torch.no_grad()
def test_each_pooling_takes_the_states_that_it_names(tower):
    tokens_BL = torch.tensor([LONG, SHORT])
    bert = tower("pooler").bert
    found = bert(tokens_BL, attention_mask=(tokens_BL != 0).long(), output_hidden_states=True)
    last_BLW, states = found.last_hidden_state, found.hidden_states
    layers_BLW = (states[1] + states[2] + states[4]) / 3
    expected = {
        "cls": last_BLW[:, 0],
        "last": torch.stack([last_BLW[0, 5], last_BLW[1, 2]]),
        "pooler": found.pooler_output,
        "three_layers": torch.stack([layers_BLW[0].mean(0), layers_BLW[1, :3].mean(0)]),
        "three_layers_padded": layers_BLW.mean(1),
    }
    assert expected.keys() == POOLINGS.keys()
    for pooling, rows_BW in expected.items():
        one = tower(pooling)
        one.bert.load_state_dict({name: bert.state_dict()[name] for name in one.bert.state_dict()})
        torch.testing.assert_close(one(tokens_BL), rows_BW)


@torch.no_grad()
def test_without_a_mask_the_padding_is_read_too(tower):
    tokens_BL = torch.tensor([SHORT])
    read = tower("cls", masked=False)(tokens_BL)
    assert (read - tower("cls")(tokens_BL)).abs().max() > 1e-3


def test_strange_settings_are_refused(tower, small_bert):
    with pytest.raises(ChoiceError, match="did you mean 'pooler'"):
        tower("poler")
    with pytest.raises(ModelError, match="the config of the text tower is not BERT's"):
        BertTower({**small_bert, "num_attention_heads": 5}, nn.Identity(), pooling="cls")
