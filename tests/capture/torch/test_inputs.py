"""What a torch model is called with, and how its refusals are worded; names of its parameters."""

from __future__ import annotations

import copy
from collections import UserDict

import numpy as np
import pytest
import torch
from torch import nn
from written import B, D, Fused, H, Made, T, Written, close, only, sites, weights

import limelight as ll
from limelight.capture import parameters
from limelight.capture.adapter import adapter_for
from limelight.errors import ProbeError, UnsupportedModelError


@pytest.fixture
def x():
    return torch.randn(B, T, D)


def named(model):
    return adapter_for(model).named_parameters(model)


class Asked(nn.Module):
    """Takes words and a mask by name."""

    def __init__(self):
        super().__init__()
        self.words, self.attn = nn.Embedding(9, D), Written()

    def forward(self, ids, *, scale=None, flag=True):
        assert flag
        return self.attn(self.words(ids) * (1 if scale is None else scale))


@pytest.mark.parametrize("kind", [dict, UserDict])
def test_a_mapping_is_keywords(kind):
    ids = torch.randint(0, 9, (B, T))
    model, calls = Asked(), []
    # A hook looks on; what a forward itself notes would be put back with the model.
    model.register_forward_pre_hook(lambda _, *call: calls.append(call), with_kwargs=True)
    ll.capture(model, kind(ids=ids, scale=torch.ones(B, T, 1)))
    args, words = calls[-1]
    assert (args, words.keys()) == ((), {"ids", "scale"})
    assert torch.equal(words["ids"], ids)
    assert words["scale"].shape == (B, T, 1)


def test_a_tuple_is_positional(x):
    model = Made(lambda self, x, y: self.attn(x + y), attn=Written())
    both = ll.capture(model, (x, 2 * x))
    alone = ll.capture(Made(lambda self, x: self.attn(3 * x), attn=model.attn), x)
    close(only(both), weights(only(alone)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float32])
def test_numbers_follow_the_models_precision(x, dtype):
    model = Written().to(dtype)
    got = []
    model.register_forward_pre_hook(lambda module, args: got.append(args[0].dtype))
    ll.capture(model, x.double().numpy())
    assert got == list(dict.fromkeys([torch.float64, dtype]))  # refused as they came


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x.numpy(),
        lambda x: x.clone().requires_grad_(),
        lambda x: x.bfloat16(),
        lambda x: x.mT.contiguous().mT,
        lambda x: ll.Probe(x),
        lambda x: [x][0],
    ],
    ids=["array", "gradient", "bfloat16", "strided", "probe", "tensor"],
)
def test_inputs_of_every_form(given, x):
    x = x.bfloat16().float()
    model = Written()
    np.testing.assert_array_equal(
        weights(only(ll.capture(model, given(x)))), weights(only(ll.capture(model, x)))
    )


def test_a_run_of_ones_own(x):
    model = Made(lambda self, x, mask: self.attn(x) * mask, attn=Written())
    seen = []

    def call(model, inputs):
        seen.append(inputs)
        return model(inputs, mask=torch.ones(T, 1))

    tree = ll.capture(model, x, call=call)
    assert torch.equal(seen[0], x)
    close(only(tree), model.attn.expected(x))


def test_a_refusal_names_shapes_and_the_models_own_words(x):
    with pytest.raises(ProbeError, match=r"Written refused inputs of shape \[3, 5, 7\]: mat1"):
        ll.capture(Written(), x[..., :7])
    with pytest.raises(ProbeError, match=r"words=\[3, 5\].*unexpected keyword"):
        ll.capture(Asked(), {"words": np.zeros((B, T), int)})


def test_no_model_at_all(x):
    with pytest.raises(UnsupportedModelError, match=r"torch\.nn\.Module"):
        ll.capture(lambda x: x, x)


def test_a_model_without_values(x):
    with pytest.raises(UnsupportedModelError, match="'q/weight' is on the device 'meta'"):
        ll.capture(Written().to("meta"), x)
    lazy = nn.Sequential(nn.LazyLinear(D), Written())
    with pytest.raises(UnsupportedModelError, match="'0/weight' is not initialised yet"):
        ll.capture(lazy, x)


class MambaMixer(nn.Linear):
    """A stand-in that bears the name of a state-space module."""


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (MambaMixer(D, D), r"'1' is a MambaMixer: .*state"),
        (nn.LSTM(D, D), "'1'|its modules that ran: 0, 1"),
    ],
)
def test_modules_without_a_map_are_named(part, words, x):
    with pytest.raises(UnsupportedModelError, match=words):
        ll.capture(nn.Sequential(nn.Linear(D, D), part), x)


@torch.library.custom_op("limelight_tests::flash_attention", mutates_args=())
def kernel(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return (q @ k.mT).softmax(-1) @ k


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: self.part(x, x), "flash_attention in the module 'part'.*torch's own"),
        (lambda self, x: ragged(x), "nested tensors.*padded to one length"),
    ],
    ids=["kernel", "nested"],
)
def test_what_hands_out_no_weights_is_named(forward, words, x):
    model = Made(forward, part=Made(lambda self, q, k: kernel(q, k)))
    with pytest.raises(UnsupportedModelError, match=words):
        ll.capture(model, x)


def ragged(x):
    rows = torch.nested.nested_tensor([x[0], x[1, :3], x[2]], layout=torch.jagged)
    q = rows.unflatten(-1, [H, -1]).transpose(1, 2)
    return nn.functional.scaled_dot_product_attention(q, q, q)


def test_beside_attention_they_do_no_harm(x):
    assert list(sites(ll.capture(nn.Sequential(MambaMixer(D, D), Fused()), x))) == ["1"]


# ------------------------------------------------------------------------------------- weights


def test_weights_have_paths_for_names():
    layer = nn.TransformerEncoderLayer(D, H, 16)
    model = nn.Sequential(nn.Embedding(9, D), layer)
    model[0].weight.requires_grad = False
    named_arrays = named(model)
    assert "0/weight" not in named_arrays
    assert list(named_arrays)[:2] == ["1/self_attn/in_proj_weight", "1/self_attn/in_proj_bias"]
    weight = layer.linear1.weight
    assert np.shares_memory(named_arrays["1/linear1/weight"], weight.detach().numpy())


def test_tied_weights_are_counted_once():
    model = nn.ModuleDict({"words": nn.Embedding(9, D), "out": nn.Linear(D, 9, bias=False)})
    model["out"].weight = model["words"].weight
    assert list(named(model)) == ["words/weight"]


def test_wrappers_leave_no_trace_in_names():
    plain = nn.Sequential(nn.Linear(D, D))
    wrapped = nn.DataParallel(copy.deepcopy(plain))
    assert list(named(wrapped)) == list(named(plain)) == ["0/weight", "0/bias"]


def test_half_precision_is_read_as_single():
    model = nn.Linear(2, 2).bfloat16()
    named_arrays = named(model)["weight"]
    assert named_arrays.dtype == np.float32
    np.testing.assert_array_equal(named_arrays, model.weight.detach().float().numpy())


def test_weights_that_are_elsewhere():
    with pytest.raises(UnsupportedModelError, match="'weight' is on the device 'meta'"):
        named(nn.Linear(2, 2, device="meta"))


def test_parameters_are_summed_up():
    named_arrays = parameters(nn.Sequential(nn.Linear(4, 3)))
    assert named_arrays["parameter"].values.tolist() == ["0/weight", "0/bias"]
    assert named_arrays["module"].values.tolist() == ["0", "0"]
