"""Words in, token ids out: the same for the same texts, never an unknown word."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesalius.core import ModelError
from vesalius.encoders.tiny_vocabulary import train_tokenizer

TEXTS = ["No pleural effusion. Heart size is normal.", "Large left pleural effusion."] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, context_length=12)


def test_frequent_words_are_one_token_wherever_they_stand(tokenizer):
    start = tokenizer(["effusion"])[0, 1]
    assert start in tokenizer(["No pleural effusion, or so"])[0]
    assert tokenizer(["EFFUSION"])[0, 1] == start


def test_without_texts_radiology_words_are_one_token():
    built_in = train_tokenizer(None, context_length=16)
    ids_BL = built_in(["no pleural effusion", "cardiomegaly"])
    assert (ids_BL != 0).sum(1).tolist() == [4, 2]


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=20))
def test_any_text_has_tokens_and_the_long_ones_are_cut(tokenizer, text):
    ids_BL = tokenizer([text])
    assert 1 <= ids_BL.shape[1] <= 12
    assert ids_BL.min() >= 1
    assert ids_BL.max() < tokenizer.vocabulary_size


def test_cut_texts_are_counted_and_said_once(caplog):
    tokenizer = train_tokenizer(TEXTS, context_length=4)
    with caplog.at_level("WARNING", logger="vesalius"):
        tokenizer([TEXTS[0], "heart"])
        tokenizer([TEXTS[0]])
    assert tokenizer.truncated == 2
    assert caplog.text.count("texts cut at 4 tokens") == 1


def test_what_is_not_a_text_is_refused(tokenizer):
    with pytest.raises(ModelError, match="NoneType, not str"):
        tokenizer([None])


def test_the_same_texts_give_the_same_tokenizer_in_another_process():
    code = (
        "from vesalius.encoders.tiny_vocabulary import train_tokenizer\n"
        f"print(train_tokenizer({TEXTS!r} + None_texts, context_length=12).identity())"
    ).replace("None_texts", "[f'word{i} of {i % 7}' for i in range(300)] * 2")
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
