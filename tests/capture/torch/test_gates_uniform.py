"""Heads that attend evenly: exactly what the model gives where their queries are zero."""

import copy

import pytest
import torch

from limelight.capture import gate

transformers = pytest.importorskip("transformers")


def _bert(kernel):
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
        vocab_size=50, attn_implementation=kernel,
    )  # fmt: skip
    return transformers.BertModel(config).eval()


def _llama(kernel):
    config = transformers.LlamaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=40, vocab_size=50, attn_implementation=kernel,
    )  # fmt: skip
    return transformers.LlamaModel(config).eval()


def _query(model):
    if hasattr(model, "encoder"):
        return model.encoder.layer[0].attention.self.query
    return model.layers[0].self_attn.q_proj


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
@pytest.mark.parametrize("make", [_bert, _llama])
def test_it_is_a_query_of_zeros(make, kernel):
    torch.manual_seed(0)
    model = make(kernel)
    site = "encoder/layer/0/attention/self" if make is _bert else "layers/0/self_attn"
    mask = torch.ones(3, 7, dtype=torch.long)
    mask[1, 5:] = 0
    inputs = {"input_ids": torch.randint(5, 50, (3, 7)), "attention_mask": mask}
    other = copy.deepcopy(model)
    with torch.no_grad():
        with gate(model, {(site, 1): 0.0}, replace="uniform"):
            even = model(**inputs).last_hidden_state
        query = _query(other)
        query.weight[8:16] = 0
        if query.bias is not None:
            query.bias[8:16] = 0
        wanted = other(**inputs).last_hidden_state
        plain = model(**inputs).last_hidden_state
    counted = mask.bool()
    assert torch.equal(even[counted], wanted[counted])
    assert not torch.equal(even[counted], plain[counted])


def test_biases_of_positions_are_levelled_too():
    class Slanted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.v = torch.nn.Linear(8, 8)

        def forward(self, x):
            at = torch.arange(x.shape[1])
            bias = -(at[:, None] - at).abs().float().masked_fill(at > at[:, None], torch.inf)
            heads = self.v(x).unflatten(-1, (2, 4)).transpose(1, 2)
            out = torch.nn.functional.scaled_dot_product_attention(
                heads, heads, heads, attn_mask=bias
            )
            return out.transpose(1, 2).flatten(2)

    model, x = Slanted(), torch.randn(2, 5, 8)
    with torch.no_grad(), gate(model, {("slanted", None): 0.0}, replace="uniform"):
        even = model(x)
    means = model.v(x).cumsum(1) / torch.arange(1, 6)[None, :, None]
    torch.testing.assert_close(even, means)
