"""Models shaped by training: their maps are sharp, so a small mistake would show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

import limelight as ll
from limelight.data import packages
from limelight.errors import UnavailableError
from limelight.factors import factors_of
from limelight.pretrained import models as pretrained
from limelight.pretrained import onnx as pretrained_onnx
from limelight.pretrained import whisper as pretrained_whisper

SENTENCES = [
    "The cat sat on the mat because it was warm.",
    "Attention is not explanation, but it is something to look at before one has anything better.",
]

pytestmark = [
    pytest.mark.pretrained,
    # What torch and transformers say of files written by their older selves.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def _quiet():
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(before)


def sites_of(tree):
    return sorted((leaf.dataset for leaf in tree.leaves), key=lambda site: site.attrs["order"])


def examples_of(name):
    """Something of the kind each model was trained on, as far as one needs no data for it."""
    if name == "minilm":
        return dict(pretrained.tokenizer(name)(SENTENCES[:1], return_tensors="pt"))
    if name == "rxnmapper":
        return {"input_ids": torch.randint(20, 591, (2, 40))}
    if name == "antiberty":
        return {"input_ids": torch.randint(5, 25, (2, 60))}
    if name == "dinov2":
        return {"pixel_values": torch.randn(2, 3, 112, 112)}
    time = torch.arange(3000) / 10
    features = torch.sin(time + torch.arange(80)[:, None] / 7)[None]
    return {
        "input_features": features,
        "decoder_input_ids": torch.tensor([[50257, 50362, 383, 2068]]),
    }


def maps_of(outputs):
    if hasattr(outputs, "cross_attentions") and outputs.cross_attentions:
        both = zip(outputs.decoder_attentions, outputs.cross_attentions, strict=True)
        return [*outputs.encoder_attentions, *(one for pair in both for one in pair)]
    return outputs.attentions


# What hidden states computed by two kernels differ by, carried through all layers: measured, with
# room for another machine.
DIFFERENCES = {
    "minilm": 2e-6,
    "rxnmapper": 1e-5,
    "whisper": 2e-5,
    "dinov2": 2e-5,
    "antiberty": 2e-5,
}


@pytest.mark.parametrize("name", pretrained.MODELS)
def test_maps_are_those_of_eager_attention(name, record_property):
    model, eager = pretrained.load(name), pretrained.load(name, attn_implementation="eager")
    inputs = examples_of(name)
    with torch.no_grad():
        before = model(**inputs)[0]
        own = maps_of(eager(**inputs, output_attentions=True))
        tree = ll.capture(model, inputs)
        assert torch.equal(model(**inputs)[0], before)
    assert len(sites_of(tree)) == len(own)
    worst = max(
        np.abs(site["weights"].values - one.numpy()).max()
        for site, one in zip(sites_of(tree), own, strict=True)
    )
    record_property("difference", float(worst))
    assert worst <= DIFFERENCES[name]
    if name == "whisper":
        assert {site.attrs["kind"] for site in sites_of(tree)} == {"self", "cross"}


#: Scores that reach 41 have a last digit of this size in float32, in eager attention as well.
ROUNDING = {"rxnmapper": float(np.spacing(np.float32(41)))}


@pytest.mark.parametrize("name", pretrained.MODELS)
def test_the_same_hidden_states_give_the_same_maps(name):
    """One layer's eager attention, fed what the layer above saw under SDPA, gives our map."""
    model = pretrained.load(name)
    inputs, kept = examples_of(name), []

    def own(module, args, kwargs, output):
        kernel = module.config._attn_implementation
        if name == "whisper" and module.is_causal and "key_value_states" not in kwargs:
            # SDPA was told so by a flag.
            count = output[0].shape[1]
            kwargs["attention_mask"] = torch.full((count, count), float("-inf")).triu(1)[None, None]
        module.config._attn_implementation = "eager"
        try:
            kept.append(module.forward(*args, **kwargs)[-1])
        finally:
            module.config._attn_implementation = kernel

    with torch.no_grad():
        tree = ll.capture(model, inputs)
        modules = dict(model.named_modules())
        paths = [site.attrs["module"].partition(":")[0] for site in sites_of(tree)]
        for path in dict.fromkeys(paths):
            modules[path.replace("/", ".")].register_forward_hook(own, with_kwargs=True)
        model(**inputs, **({"use_cache": False} if name == "whisper" else {}))
    maps = [one for one in kept if isinstance(one, torch.Tensor) and one.dim() == 4]
    assert len(maps) == len(paths)
    for site, one in zip(sites_of(tree), maps, strict=True):
        assert np.abs(site["weights"].values - one.numpy()).max() <= ROUNDING.get(name, 1e-6)


def test_padded_sentences():
    """Eager hidden states drift from SDPA's where there is padding; the maps themselves do not."""
    model, eager = pretrained.load("minilm"), pretrained.load("minilm", attn_implementation="eager")
    inputs = dict(pretrained.tokenizer("minilm")(SENTENCES, padding=True, return_tensors="pt"))
    tree = ll.capture(model, inputs)
    with torch.no_grad():
        own = eager(**inputs, output_attentions=True).attentions
    rows = inputs["attention_mask"].bool().numpy()
    for site, one in zip(sites_of(tree), own, strict=True):
        assert np.array_equal(site["key_valid"].values, rows)
        difference = np.abs(site["weights"].values - one.numpy()) * rows[:, None, :, None]
        assert difference.max() <= 2e-5
        factors = factors_of(site["weights"])
        if factors is None:
            continue
        scores = np.einsum("ehqd,ehkd->ehqk", factors.query, factors.key, dtype=np.float64)
        scores = np.where(rows[:, None, None], scores * factors.scale, -np.inf)
        exact = np.exp(scores - scores.max(-1, keepdims=True))
        exact /= exact.sum(-1, keepdims=True)
        assert np.abs((site["weights"].values - exact) * rows[:, None, :, None]).max() <= 1e-6


def test_whisper_hears_and_its_generation_is_captured():
    """In silence it says what it always says there, which only its own weights make it say."""
    model = pretrained.load("whisper")
    texts = []

    def run(model, x):
        texts.append(model.generate(**x, max_new_tokens=6, do_sample=False))

    tree = ll.capture(model, {"input_features": torch.full((1, 80, 3000), -0.8)}, run=run)
    folder = packages.fetch(pretrained.MODELS["whisper"].package)
    words = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    assert words.decode(texts[0][0], skip_special_tokens=False).endswith(" you")
    cross = [site for site in sites_of(tree) if site.attrs["kind"] == "cross"]
    # Before the text comes its start, which is not returned; the end of the text is not either.
    shape = (1, 6, 1 + texts[0].shape[1], 1500)
    assert [site["weights"].shape for site in cross] == [shape] * 4


def test_minilm_means_the_same_by_other_words():
    model, tokenizer = pretrained.load("minilm"), pretrained.tokenizer("minilm")
    texts = ["A cat sat there.", "The feline was sitting.", "Stocks fell today."]
    with torch.no_grad():
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        vectors = torch.nn.functional.normalize(model(**inputs).last_hidden_state.mean(1), dim=1)
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.5 > 0.3 > likeness[0, 2]


def test_every_package_says_its_licence_and_is_pinned():
    for one in pretrained.MODELS.values():
        assert one.package.licence
        assert len(one.package.sha256) == 64


def test_unknown_name_says_which_there_are():
    with pytest.raises(UnavailableError, match="minilm"):
        pretrained.load("gpt5")


@pytest.mark.parametrize("data", [b"\6\0\0\0\4\0abc\0", b"\7\0\0\0"])
def test_another_file_is_no_whisper(data):
    with pytest.raises(UnavailableError, match="CTranslate2"):
        pretrained_whisper.read(data)


def test_another_onnx_file_is_no_dinov2():
    with pytest.raises(UnavailableError, match="DINOv2"):
        pretrained_onnx.dinov2_state(b"\x3a\x00")
