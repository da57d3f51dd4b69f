"""What gives ids their texts: every form that vocabularies and tokenizers come in."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers

from limelight.capture import Probe
from limelight.errors import ProbeError

WORDS = ["[PAD]", "[CLS]", "the", "cat", "##s"]
IDS = np.array([[1, 2, 3, 4], [1, 3, 0, 0]])
BY_WORD = {word: number for number, word in enumerate(WORDS)}


def of_transformers(**others):
    return SimpleNamespace(
        convert_ids_to_tokens=lambda number: WORDS[number], pad_token_id=0, cls_token_id=1, **others
    )


FORMS = {
    "transformers": of_transformers(),
    "tokenizers": tokenizers.Tokenizer(tokenizers.models.WordPiece(BY_WORD, unk_token="[CLS]")),
    "get_vocab()": dict(BY_WORD),
    "get_vocab": SimpleNamespace(get_vocab=lambda: BY_WORD),
    "sentencepiece": SimpleNamespace(id_to_piece=lambda number: WORDS[number]),
    "tiktoken": SimpleNamespace(decode_single_token_bytes=lambda number: WORDS[number].encode()),
    "torchtext": SimpleNamespace(get_itos=lambda: WORDS),
    "Keras of old": SimpleNamespace(index_word=dict(enumerate(WORDS))),
    "decodes": SimpleNamespace(decode=lambda ids: "".join(WORDS[number] for number in ids)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_tokenizer_of_any_library_is_a_vocabulary(form):
    probe = Probe({"input_ids": IDS}, tokens=FORMS[form])
    assert probe.tokens_of(0) == ("[CLS]", "the", "cat", "##s")
    assert probe.tokens_of(1)[:2] == ("[CLS]", "cat")


def test_padding_that_a_tokenizer_names_fills_up_either_end_and_counts_within():
    ids = np.array([[0, 0, 2, 0, 3], [2, 0, 3, 0, 0]])
    probe = Probe(ids, tokens=of_transformers())
    assert probe.tokens_of(0) == ("", "", "the", "[PAD]", "cat")
    assert probe.tokens_of(1) == ("the", "[PAD]", "cat", "", "")


@pytest.mark.parametrize("other", ["eos_token_id", "bos_token_id", "unk_token_id"])
def test_padding_that_is_a_word_too_is_a_word(other):
    probe = Probe(IDS, tokens=of_transformers(**{other: 0}))
    assert probe.tokens_of(1) == ("[CLS]", "cat", "[PAD]", "[PAD]")


def test_the_layer_that_made_the_ids_reads_them():
    keras = pytest.importorskip("keras")
    layer = keras.layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["the cat sat", "the cat"])
    probe = Probe(np.asarray(layer(["cat the", "sat never the"])), tokens=layer)
    assert probe.tokens_of(0) == ("cat", "the", "", "")
    assert probe.tokens_of(1) == ("sat", "[UNK]", "the", "")


def test_an_id_that_a_tokenizer_cannot_name_is_shown_as_its_number():
    probe = Probe(np.array([[3, 99]]), tokens=of_transformers())
    assert probe.tokens_of(0) == ("cat", "#99")


def test_a_tokenizer_reads_what_it_made_for_the_decoder_too():
    given = {"input_ids": IDS, "decoder_input_ids": np.array([[0, 3, 0], [0, 2, 4]])}
    probe = Probe(given, tokens=of_transformers())
    assert probe.worded == (0, 1)
    assert probe.texts_of(1) == (("[PAD]", "cat", ""), ("[PAD]", "the", "##s"))  # begins with it


def test_tokens_by_input():
    source, target = IDS, np.array([[7, 8], [7, 9]])
    german = {7: "<s>", 8: "Katze", 9: None}
    tokens = {1: german, 0: of_transformers()}
    probe = Probe((source, target, np.ones((2, 3))), tokens=tokens)
    assert probe.tokens_of(1) == ("[CLS]", "cat", "", "")
    assert probe.texts_of(1) == (("<s>", "Katze"), ("<s>", ""))
    few = probe.some([1])
    assert few.texts_of(1) == (("<s>", ""),)
    lists = Probe({"x": np.ones((2, 3, 4)), "y": target}, tokens={"x": [["a", "b", "c"], ["d"]]})
    assert lists.worded == (0,)
    assert lists.tokens_of(1) == ("d",)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ({"input": of_transformers()}, "Got tokens for the input 'input'. Wanted one of "),
        ({"picture": of_transformers()}, "Wanted an input of whole numbers [example, position]."),
        ({"input_ids": [["a"]]}, "Got tokens for 1 examples; the inputs hold 2."),
        ({"input_ids": object()}, "Got tokens of type object."),
        (object(), "Got tokens of type object. Wanted a tokenizer, a vocabulary, or a "),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused(tokens, words):
    with pytest.raises(ProbeError) as refused:
        Probe({"input_ids": IDS, "picture": np.ones((2, 3, 4))}, tokens=tokens)
    assert words in str(refused.value)
