"""The shipped tests of a kind of attention, on torch's own; and each of them can fail."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from limelight.capture.torch.intercept.attention import sdpa
from limelight.testing import AttentionConformance


def causal(scores):
    return scores.masked_fill(~torch.ones(scores.shape[-2:]).tril().bool(), -torch.inf)


class TestFused(AttentionConformance):
    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value)


class TestFusedAndGrouped(AttentionConformance):
    heads, key_heads = 4, 2

    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=0.4, enable_gqa=True
        )

    def scores(self, query, key):
        return causal(query @ key.mT * 0.4)


class TestSoftmax(AttentionConformance):
    def attend(self, query, key, value):
        return (query @ key.mT / 2).softmax(-1) @ value


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
class TestFlex(AttentionConformance):
    def attend(self, query, key, value):
        count = query.shape[2]
        mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, count, count, "cpu")
        return flex_attention(query, key, value, block_mask=mask)

    def scores(self, query, key):
        return causal(super().scores(query, key))


HARMS = {
    "sharper": ({"scale": 0.5001}, "test_weights_are_exact"),
    "causal": ({"causal": True}, "test_weights_are_exact"),
    "other axes": ({"heads_last": True}, "test_each_head_is_gated_by_itself"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_errs_is_found_out(harm, monkeypatch):
    changes, name = HARMS[harm]
    test, read = getattr(TestFused(), name), sdpa._read
    test()

    def misread(args, kwargs):
        event = read(args, kwargs)
        for field, value in changes.items():
            setattr(event, field, value)
        return event

    monkeypatch.setattr(sdpa, "_read", misread)
    with pytest.raises((AssertionError, ValueError)):
        test()


def test_scores_that_are_others_are_found_out(monkeypatch):
    monkeypatch.setattr(TestFused, "scores", lambda self, query, key: query @ key.mT)
    with pytest.raises(AssertionError):
        TestFused().test_the_weights_say_what_each_head_reads()
