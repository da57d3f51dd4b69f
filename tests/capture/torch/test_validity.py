"""Which positions are padding: what a mask was made of decides, not how it looks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import transformers
from torch import nn

import limelight as ll
from limelight.measuring import measures_of, uniform_of

B, T, D = 2, 6, 8
IDS = torch.tensor([[5, 3, 7, 2, 0, 0], [4, 9, 1, 8, 6, 2]])
LENGTHS = torch.tensor([4, 6])
INF = float("-inf")


class Scored(nn.Module):
    """One head; a function makes a mask of its scores and of what it was given."""

    def __init__(self, mask, words=False):
        super().__init__()
        self.embed = nn.Embedding(10, D) if words else nn.Identity()
        self.q, self.k, self.mask = nn.Linear(D, D), nn.Linear(D, D), mask

    def forward(self, given, *more):
        x = self.embed(given)
        return self.mask(self.q(x) @ self.k(x).mT, given, *more).softmax(-1) @ x


def captured(mask, *inputs, words=False, **options):
    torch.manual_seed(3)
    model = Scored(mask, words)
    given = inputs[0] if len(inputs) == 1 else inputs
    return ll.capture(model, given, **options).leaves[0].dataset


def best(scores):
    return scores < scores.topk(1, -1).values


def scattered(scores, *_):
    top = scores.topk(1, -1)
    return torch.full_like(scores, INF).scatter(-1, top.indices, top.values)


def written(scores, *_):
    scores = scores.clone()
    scores[best(scores)] = INF
    return scores


SPARSE = [
    lambda s, *_: s.masked_fill(best(s), INF),
    lambda s, *_: torch.where(best(s), torch.tensor(-1e9), s),
    lambda s, *_: s + best(s).float() * -1e9,
    scattered,
    written,
]


@pytest.mark.parametrize("mask", SPARSE)
def test_what_only_the_best_keys_leave_out_is_no_padding(mask):
    site = captured(mask, torch.randn(B, T, D, generator=torch.Generator().manual_seed(0)))
    assert not site["allowed"].any("query").all(), "some key is read by nobody"
    assert site["query_valid"].all()
    assert site["key_valid"].all()


def test_an_id_of_zero_that_nobody_reads_is_no_padding():
    ids = torch.tensor([[5, 3, 0, 7, 2, 0], [4, 9, 1, 0, 6, 0]])
    site = captured(lambda s, _: s.masked_fill(best(s), INF), ids, words=True)
    assert site["query_valid"].all()
    assert site["key_valid"].all()


def test_padding_is_known_beside_the_best_keys():
    def mask(scores, given):
        scores = scores.masked_fill((given == 0)[:, None], INF)
        return scores.masked_fill(best(scores), INF)

    site = captured(mask, IDS, words=True)
    assert (site["key_valid"].values == (IDS != 0).numpy()).all()
    assert (site["query_valid"].values == (IDS != 0).numpy()).all()


def of_lengths(scores, given, lengths):
    return scores.masked_fill(torch.arange(T) >= lengths[:, None, None], INF)


def of_python_lengths(scores, given):
    mask = torch.zeros(B, T, T)
    for row, length in enumerate(LENGTHS.tolist()):
        mask[row, :, length:] = -1e9
    return scores + mask


PADDED = [
    (lambda s, ids: s.masked_fill((ids == 0)[:, None], INF), (IDS,)),
    (lambda s, ids: s + (ids == 0)[:, None] * -1e4, (IDS,)),
    (of_lengths, (IDS, LENGTHS)),
    (of_python_lengths, (IDS,)),
    (lambda s, ids, m: s + torch.log(m[:, None]), (IDS, (IDS != 0).float())),
]


@pytest.mark.parametrize(("mask", "inputs"), PADDED)
def test_what_a_given_mask_leaves_out_is_padding(mask, inputs):
    site = captured(mask, *inputs, words=True)
    assert (site["key_valid"].values == (IDS != 0).numpy()).all()
    assert (site["query_valid"].values == (IDS != 0).numpy()).all()


def test_the_last_position_of_strictly_causal_attention_is_no_padding():
    earlier = torch.ones(T, T, dtype=torch.bool).tril(-1)
    site = captured(lambda s, _: s.masked_fill(~earlier, INF), torch.randn(B, T, D))
    assert site["query_valid"].values.tolist() == [[False] + [True] * (T - 1)] * B
    assert site["key_valid"].all()


def llama(**options):
    config = transformers.LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, **options,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def test_padded_queries_are_found_beside_keys_that_a_layer_learned():
    layer = nn.MultiheadAttention(D, 2, batch_first=True, add_bias_kv=True)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = layer

        def forward(self, x, padding):
            return self.mix(x, x, x, key_padding_mask=padding)[0]

    site = ll.capture(Net(), (torch.randn(B, T, D), IDS == 0)).leaves[0].dataset
    assert site["weights"].shape == (B, 2, T, T + 1)
    assert site["query_valid"].values.sum(1).tolist() == [4, 6]
    assert site["key_valid"].values.sum(1).tolist() == [5, 7]


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
def test_padded_queries_are_found_after_what_a_cache_holds(kind):
    model = llama(attn_implementation=kind)
    with torch.no_grad():
        cache = model(torch.randint(1, 9, (B, 3)), use_cache=True).past_key_values
    mask = torch.cat([torch.ones(B, 3, dtype=torch.long), (IDS != 0).long()], 1)

    def call(model, ids):
        return model(ids, attention_mask=mask, past_key_values=copy.deepcopy(cache))

    site = ll.capture(model, IDS, call=call).leaves[0].dataset
    assert site["query_valid"].values.sum(1).tolist() == [4, 6]
    assert site["key_valid"].values.sum(1).tolist() == [7, 9]


def test_a_cache_that_is_not_full_moves_no_query():
    model = llama()
    cache = transformers.StaticCache(model.config, max_cache_len=12)
    mask = (IDS != 0).long()

    def call(model, ids):
        return model(ids, attention_mask=mask, past_key_values=copy.deepcopy(cache))

    site = ll.capture(model, IDS, call=call).leaves[0].dataset
    assert site["query_valid"].values.sum(1).tolist() == [4, 6]
    assert site["key_valid"].values.sum(1).tolist() == [4, 6]


def by_head(closed):
    """[head, query, key]: in head 1, some queries may attend to nothing."""
    may = torch.ones(3, T, T, dtype=torch.bool)
    may[1, closed] = False
    return may


class Headed(nn.Module):
    def __init__(self, mask, packed):
        super().__init__()
        self.attention, self.mask = nn.MultiheadAttention(9, 3, batch_first=True), mask
        self.packed = packed

    def forward(self, x):
        if self.packed:
            heads = x.unflatten(-1, (3, 3)).transpose(1, 2)
            return nn.functional.scaled_dot_product_attention(heads, heads, heads, self.mask)
        mask = ~self.mask.repeat(len(x), 1, 1)
        return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("closed", [slice(None), slice(2, 4)])
def test_a_head_without_keys_is_left_out_of_that_heads_measures(packed, closed):
    may = by_head(closed)
    x = torch.randn(B, T, 9, generator=torch.Generator().manual_seed(1))
    site = ll.capture(Headed(may, packed), x).leaves[0].dataset
    assert site["query_valid"].all()
    assert (site["allowed"].values == may.numpy()).all()
    rows = np.nan_to_num(site["weights"].values).sum(-1)
    np.testing.assert_allclose(rows, np.broadcast_to(may.any(-1), rows.shape), atol=1e-6)
    measured, even = measures_of(site)["entropy"].values, uniform_of(site)["entropy"].values
    entropy = ll.entropy(site["weights"], site["allowed"]).values
    counted = np.broadcast_to(may.any(-1), entropy.shape)
    with np.errstate(invalid="ignore"):
        wanted = np.where(counted, entropy, 0).sum(-1) / counted.sum(-1)
    np.testing.assert_allclose(measured, wanted, atol=1e-5)
    np.testing.assert_allclose(even, np.log(T), atol=1e-5)
    assert not measures_of(site)["nan_rows"].any()
