"""Attention of transformers' models is what the same weights give with eager attention."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import architectures.py

from architectures import ARCHITECTURES, BY_NAME, EXAMPLES, LENGTH, VOCABULARY, ids
from written import close

import limelight as ll
from limelight.errors import UnsupportedModelError

TABLE = transformers.modeling_utils.AttentionInterface._global_mapping
HONEST = [architecture for architecture in ARCHITECTURES if architecture.honest]
PADDED = [architecture for architecture in HONEST if architecture.padding]


def named(architecture):
    return architecture.name.partition(",")[0]


def sites_of(tree):
    return sorted((leaf.dataset for leaf in tree.leaves), key=lambda site: site.attrs["order"])


def patched(model):
    """What capturing replaces for a while."""
    hooks = [
        hook
        for module in model.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    ]
    return hooks, dict(TABLE), functional.scaled_dot_product_attention, functional.softmax


def flat(outputs):
    return [value for value in outputs.to_tuple() if isinstance(value, torch.Tensor)]


@torch.no_grad()
def eager_maps(architecture, model, tree, inputs, rows=None):
    """Compare a capture with the eager twin; return its sites, with the twin's maps and kinds."""
    outputs = architecture.twin(model)(**inputs, output_attentions=True)
    return architecture.compared(sites_of(tree), model, outputs, rows)


@torch.no_grad()  # with gradients, torch chooses among other kernels
@pytest.mark.parametrize("architecture", HONEST, ids=named)
def test_maps_are_those_of_eager_attention(architecture):
    model, inputs = architecture.build(), architecture.inputs()
    before, plain = patched(model), model(**inputs)
    during = []
    tree = ll.capture(model, inputs, call=lambda m, x: during.append(m(**x)))
    assert patched(model) == before
    assert len(sites_of(tree)) == architecture.sites
    for site, _, kind in eager_maps(architecture, model, tree, inputs):
        assert site.attrs["kind"] == kind
        assert site.attrs["module_class"] in str(model)
    for outputs in (during[0], model(**inputs)):
        assert all(map(torch.equal, flat(outputs), flat(plain)))


@pytest.mark.parametrize("architecture", PADDED, ids=named)
def test_maps_with_padding_are_those_of_eager_attention(architecture):
    model, inputs = architecture.build(), architecture.inputs()
    for padding in (slice(None, 2), slice(LENGTH - 2, None)):
        mask = torch.ones(EXAMPLES, LENGTH, dtype=torch.long)
        mask[1, padding] = 0
        inputs["attention_mask"] = mask
        tree = ll.capture(model, inputs)
        for site, maps, _ in eager_maps(architecture, model, tree, inputs, mask):
            # In XLNet padding attends to itself.
            if maps.shape[3] == LENGTH and architecture is not BY_NAME["xlnet"]:
                assert not site["key_valid"].values[1, padding].any()


@pytest.mark.parametrize("alibi", [False, True], ids=["rotary", "ALiBi"])
def test_falcon_is_what_its_vectors_say(alibi):
    """Its own answer is another one: it adds its bias twice, or a mask of booleans."""
    architecture = BY_NAME["falcon with ALiBi" if alibi else "falcon"]
    model, inputs = architecture.build(), architecture.inputs()
    fused, seen = [], []
    for block in model.h:
        block.self_attention.query_key_value.register_forward_hook(
            lambda module, args, out: fused.append(out.detach())
        )
    if not alibi:
        model.rotary_emb.register_forward_hook(lambda module, args, out: seen.append(out))
    tree = ll.capture(model, inputs)
    for site, vectors in zip(sites_of(tree), fused, strict=True):
        if alibi:
            query, key = vectors.view(EXAMPLES, LENGTH, 2, 3, 8).permute(3, 0, 2, 1, 4)[:2]
            slope = torch.tensor([2.0**-4, 2.0**-8])[:, None, None]
            bias = slope * torch.arange(LENGTH)
        else:
            heads = vectors.view(EXAMPLES, LENGTH, 4, 8).transpose(1, 2)
            cos, sin = (part[:, None] for part in seen[0])
            turned = torch.cat([-heads[..., 4:], heads[..., :4]], -1)
            heads = heads * cos + turned * sin
            query, key, bias = heads[:, :2], heads[:, 2:3], 0.0
        logits = (query @ key.transpose(-1, -2) + bias) / 8**0.5
        logits = logits.masked_fill(~torch.ones(LENGTH, LENGTH).tril().bool(), float("-inf"))
        close(site, logits.softmax(-1).numpy())


def test_heads_share_keys_instead_of_copies():
    """Grouped queries are kept with one key head for two heads."""
    from limelight.factors import factors_of

    architecture = BY_NAME["llama"]
    tree = ll.capture(architecture.build(), {"input_ids": ids(length=64)})
    factors = factors_of(sites_of(tree)[0]["weights"])
    assert factors.query.shape[1] == 4
    assert factors.key.shape[1] == 2


@pytest.mark.parametrize("name", ["mixtral", "gpt-oss", "deepseek-v3"])
def test_routers_are_no_attention(name):
    architecture = BY_NAME[name]
    tree = ll.capture(architecture.build(), architecture.inputs())
    assert not [path for path in (s.attrs["module"] for s in sites_of(tree)) if "mlp" in path]


def test_sinks_take_their_share():
    architecture = BY_NAME["gpt-oss"]
    tree = ll.capture(architecture.build(), architecture.inputs())
    for site in sites_of(tree):
        total = site["weights"].sum("key") + site["sink_weight"]
        assert float(abs(total - 1).max()) <= (LENGTH + 1) * np.finfo(np.float32).eps
        assert float(site["sink_weight"].min()) > 1e-3


def test_everything_is_put_back_after_an_error():
    model = BY_NAME["llama"].build()
    before = patched(model)

    def call(model, inputs):
        model(**inputs)
        raise ZeroDivisionError

    with pytest.raises(ll.errors.LimelightError):
        ll.capture(model, {"input_ids": ids()}, call=call)
    assert patched(model) == before


# ------------------------------------------------------------------------------------- kernels


def flash(module, query, key, value, attention_mask, scaling=None, sliding_window=None,
          softcap=None, is_causal=None, s_aux=None, **others):  # fmt: skip
    """What flash attention computes: padding taken out, causal counted from the last key."""
    causal = module.is_causal if is_causal is None else is_causal
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    output = torch.zeros(*query.shape[:-1], value.shape[-1])
    for example in range(len(query)):
        keep = torch.ones(key.shape[2]).bool()
        if attention_mask is not None:
            keep = attention_mask[example].bool()
        rows = keep[-query.shape[2] :]
        keys, values = (
            key[example, :, : len(keep)][:, keep],
            value[example, :, : len(keep)][:, keep],
        )
        scores = query[example][:, rows] @ keys.transpose(1, 2)
        scores = scores * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        count = keys.shape[1]
        behind = torch.arange(count - int(rows.sum()), count)[:, None] - torch.arange(count)
        forbidden = (behind < 0) if causal else torch.zeros_like(behind).bool()
        if sliding_window is not None and key.shape[2] > sliding_window:
            forbidden = forbidden | (behind.abs() >= sliding_window)
        scores = scores.masked_fill(forbidden, float("-inf"))
        if s_aux is not None:
            sink = s_aux.view(-1, 1, 1).expand(-1, scores.shape[1], 1)
            scores = torch.cat([scores, sink], dim=-1)
        weights = torch.softmax(scores, dim=-1)[..., :count]
        output[example][:, rows] = weights @ values
    return output.transpose(1, 2).contiguous(), None


def with_kernel(architecture, kernel, monkeypatch):
    """A model with a kernel, without the checks for what this machine has."""
    model = architecture.build("eager")
    if kernel == "flash_attention_2":
        monkeypatch.setitem(TABLE, kernel, flash)
    model.config._attn_implementation = kernel
    return model


MANY_KERNELS = ("bert", "llama", "mistral", "gemma2", "gpt-oss", "modernbert", "opt", "whisper")


@pytest.mark.parametrize("name", MANY_KERNELS)
def test_flash_attention_gives_the_same_sites_and_maps(name, monkeypatch):
    architecture = BY_NAME[name]
    model = with_kernel(architecture, "flash_attention_2", monkeypatch)
    inputs = architecture.inputs()
    masks = [None]
    if architecture.padding:
        masks.append(torch.ones(EXAMPLES, LENGTH, dtype=torch.long))
        masks[1][1, :2] = 0
    for mask in masks:
        inputs |= {} if mask is None else {"attention_mask": mask}
        with torch.no_grad():
            plain, during = model(**inputs), []
        tree = ll.capture(model, inputs, call=lambda m, x, calls=during: calls.append(m(**x)))
        assert all(map(torch.equal, flat(during[0]), flat(plain)))
        assert TABLE["flash_attention_2"] is flash
        eager = architecture.twin(model)
        assert [s.attrs["module"] for s in sites_of(tree)] == [
            s.attrs["module"] for s in sites_of(ll.capture(eager, inputs))
        ]
        assert eager_maps(architecture, model, tree, inputs, mask)


@pytest.mark.filterwarnings("ignore")  # torch deprecates what flex attention loads
@pytest.mark.parametrize("name", ["bert", "llama", "mistral", "gemma2", "opt"])
def test_flex_attention_gives_the_same_sites_and_maps(name, monkeypatch):
    architecture = BY_NAME[name]
    model = with_kernel(architecture, "flex_attention", monkeypatch)
    mask = torch.ones(EXAMPLES, LENGTH, dtype=torch.long)
    mask[1, :2] = 0
    inputs = architecture.inputs() | {"attention_mask": mask}
    with torch.compiler.set_stance("force_eager"):
        tree = ll.capture(model, inputs)
    eager = ll.capture(architecture.twin(model), inputs)
    names = [[site.attrs["module"] for site in sites_of(part)] for part in (tree, eager)]
    assert names[0] == names[1]
    assert eager_maps(architecture, model, tree, inputs, mask)


def test_flash_attention_of_sequences_packed_into_one_row(monkeypatch):
    architecture = BY_NAME["llama"]
    model = with_kernel(architecture, "flash_attention_2", monkeypatch)
    tree = ll.capture(model, {"input_ids": ids(1), "position_ids": torch.tensor([[0, 1, 2] * 2])})
    allowed = np.kron(np.eye(2), np.tril(np.ones((3, 3)))).astype(bool)
    for site in sites_of(tree):
        assert np.array_equal(np.broadcast_to(site["allowed"].values, (1, 6, 6))[0], allowed)


def test_a_kernel_of_somebodys_own_is_seen_from_inside(monkeypatch):
    """What it does with its arguments is unknown, so its own softmax counts."""
    architecture = BY_NAME["llama"]

    def sharper(module, query, key, value, attention_mask, scaling=None, **others):
        key, value = (part.repeat_interleave(2, dim=1) for part in (key, value))
        weights = torch.softmax(2 * scaling * query @ key.transpose(2, 3), dim=-1)
        return (weights @ value).transpose(1, 2), weights

    monkeypatch.setitem(TABLE, "sharper", sharper)
    model = architecture.build()
    model.config._attn_implementation = "sharper"
    inputs, seen = architecture.inputs(), []
    model.layers[0].self_attn.register_forward_hook(lambda m, a, out: seen.append(out[1].detach()))
    close(sites_of(ll.capture(model, inputs))[0], seen[0].numpy())


def test_without_its_tables_attention_still_comes_through_torch(monkeypatch):
    from limelight.capture.torch.intercept.attention import transformers as tables

    architecture = BY_NAME["llama"]
    model, inputs = architecture.build(), architecture.inputs()
    monkeypatch.setattr(tables, "_tables", list)
    tree = ll.capture(model, inputs)
    assert eager_maps(architecture, model, tree, inputs)


# -------------------------------------------------------------------------- what has no attention


REFUSED = {
    "mamba": ("MambaModel", {"hidden_size": 16, "num_hidden_layers": 1}, "MambaMixer"),
    "rwkv": ("RwkvModel", {"hidden_size": 16, "num_hidden_layers": 2}, "RwkvSelfAttention"),
    "reformer": (
        "ReformerModel",
        {"hidden_size": 16, "attn_layers": ["lsh"], "axial_pos_embds": False, "num_buckets": 2,
         "num_attention_heads": 2, "attention_head_size": 8, "lsh_attn_chunk_length": 4,
         "feed_forward_size": 16},
        "LSHSelfAttention",
    ),
    "fnet": ("FNetModel", {"hidden_size": 16, "num_hidden_layers": 1}, "FNetBasicFourierTransform"),
    "longformer": (
        "LongformerModel",
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "attention_window": 4, "intermediate_size": 16},
        "LongformerSelfAttention",
    ),
    "nystromformer": (
        "NystromformerModel",
        {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
         "intermediate_size": 16, "num_landmarks": 2, "segment_means_seq_len": 8,
         "conv_kernel_size": 3},
        "NystromformerSelfAttention",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_map_is_refused_with_the_reason(name):
    kind, options, culprit = REFUSED[name]
    config = getattr(transformers, kind).config_class(vocab_size=VOCABULARY, **options)
    model = getattr(transformers, kind)(config).eval()
    with pytest.raises(UnsupportedModelError, match=culprit) as caught:
        ll.capture(model, {"input_ids": ids(length=8)})
    assert caught.value.fix
