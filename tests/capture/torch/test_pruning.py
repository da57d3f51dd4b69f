"""Heads of torch models that are taken out for good."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

import limelight as ll
from limelight.errors import GateError, LimelightWarning

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0}  # fmt: skip
IDS = torch.randint(2, 40, (2, 6), generator=torch.Generator().manual_seed(0))


def drawn(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model.eval()


def bert():
    return drawn(transformers.BertModel(transformers.BertConfig(**SIZES)))


def llama():
    config = transformers.LlamaConfig(**SIZES, num_key_value_heads=2)
    return drawn(transformers.LlamaModel(config))


def gpt():
    config = transformers.GPT2Config(
        vocab_size=40, n_embd=16, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=1
    )
    return drawn(transformers.GPT2Model(config))


def out(model):
    with torch.no_grad():
        return model(IDS).last_hidden_state


def gated(model, heads):
    with ll.gate(model, {(site, head): 0.0 for site, several in heads.items() for head in several}):
        return out(model)


SMALLER = {
    "bert": (bert, {"encoder/layer/0/attention/self": [0, 1],
                    "encoder/layer/1/attention/self": [3]}),
    "llama": (llama, {"layers/0/self_attn": [0, 1], "layers/1/self_attn": [1, 3]}),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALLER)
def test_smaller_is_the_gated_model_and_loads_into_one_pruned_alike(name):
    make, heads = SMALLER[name]
    model, other = make(), make()
    wanted, before = gated(model, heads), sum(p.numel() for p in model.parameters())
    ll.prune(model, heads, smaller=True)
    torch.testing.assert_close(out(model), wanted)
    assert sum(p.numel() for p in model.parameters()) < before
    other.load_state_dict(ll.prune(other, heads, smaller=True).state_dict() | model.state_dict())
    torch.testing.assert_close(out(other), wanted)


@pytest.mark.parametrize(
    ("make", "site", "why"),
    [(gpt, "h/0/attn", "come of no layers of their own"),
     (llama, "layers/0/self_attn", "share their keys by 2")],
)  # fmt: skip
def test_where_it_cannot_be_smaller_it_is_zeros_and_says_that_no_time_is_saved(make, site, why):
    model = make()
    wanted, shapes = gated(model, {site: [2]}), [p.shape for p in model.parameters()]
    with pytest.warns(LimelightWarning, match=f"saves no time: .*{why}"):
        ll.prune(model, {site: [2]}, smaller=True)
    torch.testing.assert_close(out(model), wanted)
    assert [p.shape for p in model.parameters()] == shapes


def test_a_projection_that_several_sites_share_is_pruned_for_all_or_none():
    config = transformers.AlbertConfig(
        **SIZES, embedding_size=8, num_hidden_groups=1, attn_implementation="sdpa"
    )
    model = drawn(transformers.AlbertModel(config))
    before = copy.deepcopy(model.state_dict())
    sites = [leaf.path.strip("/") for leaf in ll.capture(model, IDS).leaves]
    with pytest.raises(GateError, match="is also that of"):
        ll.prune(model, {sites[0]: [1]})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    wanted = gated(model, {site: [1] for site in sites})
    ll.prune(model, {site: [1] for site in sites})
    torch.testing.assert_close(out(model), wanted)


def test_a_computed_weight_is_refused():
    layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    torch.nn.utils.parametrizations.weight_norm(layer.out_proj)
    x = torch.randn(2, 3, 8)
    with pytest.raises(GateError, match="weight is computed"):
        ll.prune(layer, {"multiheadattention": [0]}, inputs=(x, x, x))


def test_bad_input_is_said():
    model = bert()
    for heads in ({}, "all", {"encoder/layer/0/attention/self": "x"}, [1, 2]):
        with pytest.raises(GateError, match="Got heads="):
            ll.prune(model, heads)
    with pytest.raises(GateError, match="is no attention site"):
        ll.prune(model, {"encoder/layer/9/attention/self": [0]})
    with pytest.raises(GateError, match="head 4 of"):
        ll.prune(model, [("encoder/layer/0/attention/self", 4)])


def test_what_cannot_be_made_up_must_be_given():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, batch):
            return self.inner(batch["a"], batch["a"], batch["a"])[0]

    model, x = Odd(), torch.randn(2, 3, 8)
    with pytest.raises(GateError, match="Give inputs="):
        ll.prune(model, {"inner": [0]})
    ll.prune(model, {"inner": [0]}, inputs=ll.Probe(x, call=lambda model, x: model({"a": x})))
    assert not model.inner.out_proj.weight[:, :4].any()
