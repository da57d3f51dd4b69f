"""Positions bear the words that the model was called with there, also those it made itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import nn

import limelight as ll

WORDS = ["<pad>", "</s>", *(f"w{number}" for number in range(2, 40))]
TOKENIZER = SimpleNamespace(
    convert_ids_to_tokens=lambda number: WORDS[number], pad_token_id=0, eos_token_id=1
)
IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 3, 0]])
SPOKEN = [["w5", "w6", "w7", "w8"], ["w9", "w10", "w3", ""]]


def words_of(tree):
    """Return the words of queries and keys, by the end of a site's path; None where it has none."""
    return {
        leaf.path.rpartition("/")[2]: tuple(
            leaf.dataset[name].values.tolist() if name in leaf.dataset.coords else None
            for name in ("query_token", "key_token")
        )
        for leaf in tree.leaves
    }


def spelled(ids):
    return [[WORDS[number] for number in row] for row in ids.tolist()]


@pytest.fixture(scope="module")
def t5():
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=40, d_model=16, d_kv=4, num_heads=4, d_ff=32, num_layers=1,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.T5ForConditionalGeneration(config).eval()


def test_a_decoder_has_its_own_words_and_its_cross_map_both(t5):
    given = {
        "input_ids": IDS, "attention_mask": (IDS > 0).long(),
        "decoder_input_ids": torch.tensor([[0, 11, 12, 4], [0, 13, 0, 0]]),  # as many on purpose
    }  # fmt: skip
    decoded = [["<pad>", "w11", "w12", "w4"], ["<pad>", "w13", "", ""]]
    words = words_of(ll.capture(t5, ll.Probe(given, tokens=TOKENIZER)))
    assert words == {
        "SelfAttention": (decoded, decoded), "EncDecAttention": (decoded, SPOKEN),
    }  # fmt: skip
    french_words = [["a", "b", "c", "d"], ["e", "f"]]
    tokens = {"input_ids": TOKENIZER, "decoder_input_ids": french_words}
    words = words_of(ll.capture(t5, ll.Probe(given, tokens=tokens)))
    assert words["EncDecAttention"] == ([["a", "b", "c", "d"], ["e", "f", "", ""]], SPOKEN)


def test_a_decoder_whose_ids_the_model_shifts_has_the_shifted_words(t5):
    given = {"input_ids": IDS, "labels": torch.tensor([[11, 12, 4, 1], [13, 14, 1, -100]])}
    words = words_of(ll.capture(t5, ll.Probe(given, tokens=TOKENIZER)))
    decoded = [["<pad>", "w11", "w12", "w4"], ["<pad>", "w13", "w14", "</s>"]]
    assert words["EncDecAttention"][0] == decoded


def test_words_that_an_encoder_and_decoder_generate(t5):
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    given = {"input_ids": IDS, "attention_mask": (IDS > 0).long()}
    with torch.no_grad():
        t5.lm_head.weight[2:].mul_(3)  # what is not padding is likely
        text = t5.generate(**given, **options)
    probe = ll.Probe(given, tokens=TOKENIZER, call=lambda model, x: model.generate(**x, **options))
    words = words_of(ll.capture(t5, probe))
    assert words["SelfAttention"] == (spelled(text[:, :5]), spelled(text[:, :5]))
    assert words["EncDecAttention"] == (spelled(text[:, :5]), SPOKEN)


@pytest.mark.parametrize("cache", [True, False])
def test_words_that_a_decoder_generates_follow_those_of_the_prompt(cache):
    torch.manual_seed(2)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=16)
    ).eval()
    options = {
        "max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "use_cache": cache,
        "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    with torch.no_grad():
        text = model.generate(IDS[:1], **options)
    for tokens in (WORDS, TOKENIZER, dict(enumerate(WORDS))):
        probe = ll.Probe(
            {"input_ids": IDS[:1]},
            tokens=tokens,
            call=lambda model, x: model.generate(**x, **options),
        )
        (words,) = words_of(ll.capture(model, probe)).values()
        assert words == (spelled(text[:, :-1]), spelled(text[:, :-1]))
    prompt = ll.Probe(
        {"input_ids": IDS[:1]}, tokens=[["a", "b", "c", "d"]], call=probe.call
    )  # fmt: skip
    (words,) = words_of(ll.capture(model, prompt)).values()
    later = [f"#{number}" for number in text[0, 4:-1].tolist()]
    assert words == ([["a", "b", "c", "d", *later]],) * 2


class Translator(nn.Module):
    """Latents read a source, a decoder both; everything has the same length."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(40, 8), nn.Embedding(40, 8)
        self.latents = nn.Parameter(torch.randn(4, 8))
        self.read, self.itself, self.cross = (
            nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(3)
        )

    def forward(self, source, target):
        source, target = self.source(source), self.target(target)
        latents = self.latents.expand(len(source), -1, -1)
        memory = self.read(latents, source, source)[0]
        target = self.itself(target, target, target)[0]
        return self.cross(target, memory, memory)[0]


def test_learned_queries_bear_no_words_and_each_input_its_own():
    french = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 9]])
    tokens = {0: TOKENIZER, 1: [["le", "chat", "est", "là"], ["oui"]]}
    words = words_of(ll.capture(Translator(), ll.Probe((IDS, french), tokens=tokens)))
    french_words = [["le", "chat", "est", "là"], ["oui", "", "", ""]]
    assert words == {
        "read": (None, SPOKEN),
        "itself": (french_words, french_words),
        "cross": (french_words, None),
    }
