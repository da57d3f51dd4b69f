"""How a probe's inputs reach a torch model: in their own precision, shared ones and options too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from written import B, D, Made, T, Written, close, only, sites, weights

import limelight as ll
from limelight.capture import sweep
from limelight.errors import LimelightWarning, ProbeError


@pytest.fixture
def x():
    return torch.randn(B, T, D)


class Optional(nn.Module):
    """Takes a mask that all examples share, options, and several captions for each image."""

    def __init__(self):
        super().__init__()
        self.mix = nn.MultiheadAttention(D, 2, batch_first=True)

    def forward(self, x, mask=None, mode="plain", extra=None, size=None, captions=None):
        assert mode in ("plain", "bold")
        assert size is None or isinstance(size, tuple)
        return self.mix(x, x, x, attn_mask=mask)[0] * (1 if extra is None else 2)


LATER = torch.ones(T, T).triu(1).bool()
SHARED = {
    "mask": {"mask": LATER},
    "additive mask": {"mask": torch.zeros(T, T).masked_fill(LATER, -torch.inf)},
    "text": {"mode": "bold"},
    "flag": {"extra": True},
    "None": {"extra": None},
    "size": {"size": (8, 8)},
    "captions": {"captions": torch.zeros(2 * B + 1, 4, dtype=torch.long)},
    "scalar": {"extra": torch.tensor(3.0)},
}


@pytest.mark.parametrize("name", SHARED)
def test_arguments_that_all_examples_share(name, x, tmp_path):
    model, given = Optional(), {"x": x, **SHARED[name]}
    with warnings.catch_warnings():
        warnings.simplefilter("error", LimelightWarning)
        with ll.Recorder(tmp_path, model, given) as recorder:
            recorder.record(0)
    assert list(ll.open_run(tmp_path).sites) == ["mix"]
    whole, part = ll.capture(model, given), ll.capture(model, ll.Probe(given).some([1]))
    np.testing.assert_allclose(weights(only(part)), weights(only(whole))[1:2], atol=1e-6)
    for silent in sweep(model, given, [{("mix", 0): 0.0}, {("mix", 1): 0.0}]):
        assert silent.shape == x.shape


def test_a_shared_mask_of_as_many_rows_as_examples(x):
    square = x[:, :B]
    mask = torch.ones(B, B).triu(1).bool()
    probe = ll.Probe({"x": square, "mask": mask}, shared="mask")
    tree = ll.capture(Optional(), probe.some([0, 2]))
    assert weights(only(tree)).shape == (2, 2, B, B)


class Mixed(nn.Module):
    """Its first parameter has another precision than the layer that the inputs go to."""

    def __init__(self, first):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=first))
        self.attn = Written()

    def forward(self, x):
        return self.attn(x)


@pytest.mark.parametrize("first", [torch.float64, torch.bfloat16, torch.float16])
def test_inputs_go_in_as_they_came(first, x):
    model = Mixed(first)
    close(only(ll.capture(model, x)), model.attn.expected(x))


def test_half_precision_stays_half_where_the_model_wants_it(x):
    model = Made(lambda self, x: self.attn(x.float()) + 0 * self.gate(x).sum(), attn=Written(),
                 gate=nn.Linear(D, 1).bfloat16())  # fmt: skip
    close(only(ll.capture(model, x.bfloat16())), model.attn.expected(x.bfloat16().float()))


def test_a_refused_try_leaves_no_trace(x):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn, self.calls = Written(), 0
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            self.seen += 1
            return self.attn(x)

    model = Counting()
    close(only(ll.capture(model, x.double())), model.attn.expected(x))
    assert (model.calls, float(model.seen)) == (0, 0.0)


def test_what_is_refused_in_either_precision_says_so(x):
    with pytest.raises(ProbeError, match="refused inputs of shape"):
        ll.capture(Written(), x.double()[..., :7])


# What the user decides travels with the probe ------------------------------------------------


def routed(self, x):
    chosen = self.gate(x).softmax(-1)
    return self.attn(x) + chosen @ self.slots


def two():
    return Made(routed, attn=Written(), gate=nn.Linear(D, 6), slots=nn.Parameter(torch.randn(6, D)))


def test_include_reaches_recorders(x, tmp_path):
    model = two()
    name = next(iter(set(sites(ll.capture(model, x, include="*"))) - {"attn"}))
    probe = ll.Probe(x, include=name)
    with ll.Recorder(tmp_path, model, probe) as recorder:
        recorder.record(0)
    assert set(ll.open_run(tmp_path).sites) == {"attn", name}


def test_exclude_reaches_captures_and_adds_to_what_they_are_told(x):
    model = nn.Sequential(Written(), Written(), Written())
    probe = ll.Probe(x, exclude="0")
    assert list(sites(ll.capture(model, probe))) == ["1", "2"]
    assert list(sites(ll.capture(model, probe, exclude=["2"]))) == ["1"]


def test_gates_and_sweeps_know_the_sites_that_the_probe_names(x):
    model = Made(
        lambda self, x: (x @ self.keys.T).softmax(-1) @ self.slots,
        keys=nn.Parameter(torch.randn(6, D)),
        slots=nn.Parameter(torch.randn(6, D)),
    )
    name = next(iter(sites(ll.capture(model, x, include="*"))))
    probe = ll.Probe(x, include=name)
    silent, half = sweep(model, probe, [{(name, None): 0.0}, {(name, None): 0.5}])
    assert not silent.any()
    torch.testing.assert_close(half, model(x) / 2)
    with ll.gate(model, {(name, None): 0.0}, reference=probe):
        assert not model(x).any()
    with pytest.raises(ll.errors.GateError, match="no attention site"):
        sweep(model, x, [{(name, None): 0.0}])


def test_call_reaches_recorders(x, tmp_path):
    model = Made(lambda self, x, mask: self.attn(x) * mask, attn=Written())
    probe = ll.Probe(x, call=lambda model, inputs: model(inputs, torch.ones(T, 1)))
    with ll.Recorder(tmp_path, model, probe) as recorder:
        assert recorder.record(0)
    assert list(ll.open_run(tmp_path).sites) == ["attn"]
    with pytest.warns(DeprecationWarning, match="call"):
        ll.capture(model, x, run=probe.call)


def test_examples_may_lie_on_the_second_axis(x):
    layer = nn.TransformerEncoderLayer(D, 2, 16).eval()
    turned = ll.Probe(x.transpose(0, 1), axes={"inputs": 1}, labels=list(range(B)))
    got = weights(only(ll.capture(layer, turned)))
    _, expected = layer.self_attn(
        *[x.transpose(0, 1)] * 3, need_weights=True, average_attn_weights=False
    )
    np.testing.assert_allclose(got, expected.detach().numpy(), atol=1e-6)
    assert weights(only(ll.capture(layer, turned.some([1])))).shape[0] == 1


def test_positions_first_without_a_word_gets_the_advice_that_helps():
    layer = nn.TransformerEncoderLayer(16, 2, 32)
    with pytest.raises(ll.errors.UnsupportedModelError, match="transposes") as caught:
        ll.capture(layer, torch.randn(7, 3, 16))
    assert "axes={'inputs': 1}" in str(caught.value)
    assert "include" not in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(T * D, 4), nn.Softmax(-1)),
        nn.Sequential(nn.Conv1d(T, 3, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)),
    ],
    ids=["classifier", "convolution"],
)
def test_a_model_without_attention_is_told_so_in_two_sentences(model, x, tmp_path):
    model(x)
    with pytest.warns(LimelightWarning) as caught:
        ll.Recorder(tmp_path, model, x).record(0)
    assert [str(warning.message) for warning in caught] == [
        "No attention here; parameters are recorded. probe=None says so."
    ]


def test_a_loader_and_a_data_set_are_named(x):
    data = torch.utils.data.TensorDataset(x, x)
    with pytest.raises(ProbeError, match=r"DataLoader.*next\(iter\(loader\)\)"):
        ll.Probe(torch.utils.data.DataLoader(data))
    with pytest.raises(ProbeError, match=r"torch Dataset.*torch\.stack"):
        ll.Probe(data)


def test_labels_and_texts_are_asked_for(x):
    with pytest.raises(ProbeError, match=r"Did you pass labels\?"):
        ll.capture(Written(), (x, torch.zeros(B)))
    with pytest.raises(ProbeError, match=r"refused texts: .*Texts must be tokenized"):
        ll.capture(Written(), ["a cat", "a dog", "a bird"])


def test_what_is_given_twice_is_one(x):
    layer = nn.MultiheadAttention(D, 2, batch_first=True)
    probe = ll.Probe((x, x, x))
    assert [only(ll.capture(layer, p)).attrs["kind"] for p in (probe, probe.some([1]))] == [
        "self", "self",
    ]  # fmt: skip
    assert only(ll.capture(layer, (x, x.clone(), x.clone()))).attrs["kind"] == "cross"


class Compared(nn.Module):
    """One text beside several images, which it may ask too."""

    def __init__(self, asks=False):
        super().__init__()
        self.text, self.image, self.asks = Written(), Written(), asks

    def forward(self, text, image):
        words, parts = self.text(text), self.image(image)
        if self.asks:
            scores = words @ parts.reshape(1, -1, D).mT
            return scores.softmax(-1) @ parts.reshape(1, -1, D)
        return words.mean(1) @ parts.mean(1).T


@pytest.mark.parametrize("images", [2, 3])
def test_several_images_of_one_text_are_no_heads_of_one(images):
    given = {"text": torch.randn(1, T, D), "image": torch.randn(images, 4, D)}
    assert list(sites(ll.capture(Compared(), given))) == ["text"]
    reason = next(row.reason for row in ll.sites(Compared(), given) if row.path == "image")
    assert f"{images} rows of one input" in reason
    shared = sites(ll.capture(Compared(), ll.Probe(given, shared=["image"])))
    assert list(shared) == ["text", "image"]


def test_a_text_asks_the_words_of_all_its_images():
    given = (torch.randn(1, T, D), torch.randn(3, 4, D))
    assert weights(sites(ll.capture(Compared(asks=True), given))["compared"]).shape == (1, 1, T, 12)


def test_a_bias_for_each_head_is_no_row(x):
    model = Made(lambda self, x, bias: biased(self.mix, x, bias), mix=Written())
    site = only(ll.capture(model, (x[:1], torch.randn(2, T, T))))
    assert weights(site).shape == (1, 2, T, T)


def biased(mix, x, bias):
    q, k, v = mix.pairs(x)
    return (q @ k.mT + bias).softmax(-1) @ v
