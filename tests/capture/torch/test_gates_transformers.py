"""Gates in Hugging Face models, against columns of the output projection's input set to zero."""

from __future__ import annotations

import pytest
import torch
import transformers

import limelight as ll

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "vocab_size": 30, "max_position_embeddings": 64,
}  # fmt: skip


def bert(way="sdpa"):
    config = transformers.BertConfig(**SIZES)
    config._attn_implementation = way
    return transformers.BertModel(config).eval()


def llama(way="sdpa", **options):
    config = transformers.LlamaConfig(**SIZES, num_key_value_heads=2, pad_token_id=0, **options)
    config._attn_implementation = way
    return transformers.LlamaForCausalLM(config).eval()


def t5():
    return transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=30, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4,
            decoder_start_token_id=0, pad_token_id=0,
        )
    ).eval()  # fmt: skip


def ids(examples=2, length=6):
    return torch.randint(1, 30, (examples, length))


def silenced(model, path, head, run, size=4):
    """Run while one head's columns of a projection's input are zero."""

    def hook(module, args):
        heads = args[0].unflatten(-1, (-1, size)).clone()
        heads[..., head, :] = 0
        return (heads.flatten(-2), *args[1:])

    handle = model.get_submodule(path.replace("/", ".")).register_forward_pre_hook(hook)
    try:
        return run()
    finally:
        handle.remove()


@pytest.mark.parametrize("way", ["sdpa", "eager"])
def test_encoders(way):
    model, given = bert(way), {"input_ids": ids(), "attention_mask": torch.ones(2, 6)}
    given["attention_mask"][1, 4:] = 0
    with torch.no_grad():
        plain = model(**given).last_hidden_state
        with ll.gate(model, {("encoder/layer/0/attention/self", 3): 0.0}):
            got = model(**given).last_hidden_state
        wanted = silenced(
            model, "encoder/layer/0/attention/output/dense", 3, lambda: model(**given)
        ).last_hidden_state
        with ll.gate(model, {("encoder/layer/0/attention/self", None): 1.0}):
            same = model(**given).last_hidden_state
    assert torch.equal(got, wanted)
    assert torch.equal(same, plain)
    assert not torch.equal(got, plain)


@pytest.mark.parametrize("way", ["sdpa", "eager"])
def test_grouped_queries_have_a_gate_each(way):
    model, words = llama(way), ids()
    for head in (1, 2):
        with ll.gate(model, {("model/layers/1/self_attn", head): 0.0}):
            got = model(words).logits
        wanted = silenced(model, "model/layers/1/self_attn/o_proj", head, lambda: model(words))
        assert torch.equal(got, wanted.logits)


def test_self_and_cross_attention_of_an_encoder_decoder():
    model, given = t5(), {"input_ids": ids(), "decoder_input_ids": ids(2, 3)}
    for path in (
        "encoder/block/1/layer/0/SelfAttention",
        "decoder/block/0/layer/0/SelfAttention",
        "decoder/block/1/layer/1/EncDecAttention",
    ):
        with ll.gate(model, {(path, 2): 0.0}):
            got = model(**given).logits
        wanted = silenced(model, f"{path}/o", 2, lambda: model(**given)).logits
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("cache", [None, "static"])
def test_generation_is_gated_at_every_step(cache):
    model, words = llama(), ids(2, 5)
    options = {
        "max_new_tokens": 5, "do_sample": False, "output_logits": True, "eos_token_id": None,
        "return_dict_in_generate": True, "cache_implementation": cache,
        "attention_mask": torch.ones_like(words),
    }  # fmt: skip

    def run():
        return torch.stack(model.generate(words, **options).logits)

    plain = run()
    with ll.gate(model, {("model/layers/0/self_attn", 1): 0.0}):
        got = run()
    wanted = silenced(model, "model/layers/0/self_attn/o_proj", 1, run)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    assert not torch.allclose(got, plain)
    torch.testing.assert_close(run(), plain, rtol=0, atol=0)


def test_generation_of_an_encoder_decoder_finds_sites_of_both():
    model, words = t5(), ids()
    sites = ["encoder/block/0/layer/0/SelfAttention", "decoder/block/1/layer/1/EncDecAttention"]
    options = {"max_new_tokens": 4, "do_sample": False, "output_logits": True,
               "return_dict_in_generate": True}  # fmt: skip
    with ll.gate(model, {(sites[0], 0): 0.0, (sites[1], 0): 0.0}):
        both = model.generate(words, **options).logits
    with ll.gate(model, {(sites[0], 0): 1.0, (sites[1], 0): 0.0}):
        got = model.generate(words, **options).logits
    assert not torch.equal(got[0], both[0])
    wanted = silenced(model, f"{sites[1]}/o", 0, lambda: model.generate(words, **options)).logits
    torch.testing.assert_close(torch.stack(got), torch.stack(wanted), rtol=0, atol=1e-6)


def test_a_head_mask_is_not_what_does_it():
    """Newer versions swallow head_mask in silence; a gate must do more than that."""
    model, words = bert(), ids()
    with torch.no_grad(), ll.gate(model, {("encoder/layer/1/attention/self", None): 0.0}):
        got = model(words).last_hidden_state
    assert not torch.equal(got, model(words).last_hidden_state)


def test_importance_of_each_head_for_each_example_in_one_backward_pass():
    model, words = bert(), ids(3)
    gates = {
        f"encoder/layer/{layer}/attention/self": torch.ones(3, 4, requires_grad=True)
        for layer in range(2)
    }
    with ll.gate(model, gates):
        model(words).last_hidden_state.square().sum().backward()
    step = 1e-2
    site, layer = "encoder/layer/1/attention/self", gates["encoder/layer/1/attention/self"]
    for head in range(4):
        outputs = []
        for gate in (1 + step, 1 - step):
            with torch.no_grad(), ll.gate(model, {(site, head): gate}):
                outputs.append(model(words).last_hidden_state.square().sum((1, 2)))
        slope = (outputs[0] - outputs[1]) / (2 * step)
        torch.testing.assert_close(layer.grad[:, head], slope, rtol=0.02, atol=2e-3)
