"""Models shaped by training: their maps are sharp, so a small mistake would show."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import transformers
from torch.nn import functional

import limelight as ll
from limelight.data import packages
from limelight.errors import UnavailableError
from limelight.factors import factors_of
from limelight.pretrained import models as pretrained
from limelight.pretrained import onnx as pretrained_onnx
from limelight.pretrained import whisper as pretrained_whisper
from limelight.testing.rounding import exact, rounding

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
        return [*outputs.encoder_attentions, *(weights for pair in both for weights in pair)]
    return outputs.attentions


@torch.no_grad()
def eager_maps(name, inputs):
    """The maps of eager attention, of all layers: in float32, and in float64."""
    model = pretrained.load(name, attn_implementation="eager")
    single = [weights.numpy() for weights in maps_of(model(**inputs, output_attentions=True))]
    model, inputs = model.double(), doubled(inputs)
    return single, [weights.numpy() for weights in maps_of(model(**inputs, output_attentions=True))]


@torch.no_grad()
def eager_scores(module, args, kwargs):
    """The scores of a layer, computed in float64 from what it was given."""
    twin, scores = copy.deepcopy(module).double(), []
    twin.config._attn_implementation = "eager"

    def softmax(logits, dim, dtype=None):  # eager attention may want it in float32
        scores.append(logits.numpy())
        return torch.softmax(logits, dim)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "softmax", softmax)
        twin.forward(*doubled(args), **doubled(kwargs))
    (values,) = scores
    return np.where(values < -1e8, -np.inf, values)


def doubled(value):
    if isinstance(value, torch.Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: doubled(part) for name, part in value.items()}
    return type(value)(map(doubled, value)) if isinstance(value, (list, tuple)) else value


def largest(scores):
    return np.abs(scores[np.isfinite(scores)]).max()


def farthest(maps, wanted, rows=1.0):
    return max(np.abs((a - b) * rows).max() for a, b in zip(maps, wanted, strict=True))


#: Ours may be so many times as far from float64 as eager attention in float32 is. What either adds
#: up in all layers is chance; how much it can be is the model's doing, and the same for both.
CHANCE = 4


@pytest.mark.parametrize("name", pretrained.MODELS)
def test_maps_are_those_of_eager_attention(name, record_property):
    model, inputs = pretrained.load(name), examples_of(name)
    with torch.no_grad():
        before = model(**inputs)[0]
        tree = ll.capture(model, inputs)
        assert torch.equal(model(**inputs)[0], before)
    single, double = eager_maps(name, inputs)
    assert len(sites_of(tree)) == len(double)
    maps = [site["weights"].values for site in sites_of(tree)]
    ours, eager = farthest(maps, double), farthest(single, double)
    record_property("distance", float(ours))
    record_property("distance of eager attention", float(eager))
    assert ours <= CHANCE * eager
    if name == "whisper":
        assert {site.attrs["kind"] for site in sites_of(tree)} == {"self", "cross"}


@pytest.mark.parametrize("name", pretrained.MODELS)
def test_the_same_hidden_states_give_the_same_maps(name):
    """One layer's attention in float64, fed what the layer saw in the model, gives our map."""
    model = pretrained.load(name)
    inputs, scores = examples_of(name), []

    def keep(module, args, kwargs, output):
        if name == "whisper" and module.is_causal and "key_value_states" not in kwargs:
            # SDPA was told so by a flag.
            count = output[0].shape[1]
            kwargs["attention_mask"] = torch.full((count, count), float("-inf")).triu(1)[None, None]
        scores.append(eager_scores(module, args, kwargs))

    with torch.no_grad():
        tree = ll.capture(model, inputs)
        modules = dict(model.named_modules())
        paths = [site.attrs["module"].partition(":")[0] for site in sites_of(tree)]
        for path in dict.fromkeys(paths):
            modules[path.replace("/", ".")].register_forward_hook(keep, with_kwargs=True)
        model(**inputs, **({"use_cache": False} if name == "whisper" else {}))
    assert len(scores) == len(paths)
    hidden, heads = model.config.hidden_size, model.config.num_attention_heads
    features = 2 * hidden + hidden // heads  # of a query, of a key, and of their product
    for site, values in zip(sites_of(tree), scores, strict=True):
        distance = np.abs(site["weights"].values - exact(values)).max()
        assert distance <= rounding(largest(values), features, values.shape[-1])


def test_padded_sentences():
    """Eager hidden states drift from SDPA's where there is padding; the maps themselves do not."""
    model = pretrained.load("minilm")
    inputs = dict(pretrained.tokenizer("minilm")(SENTENCES, padding=True, return_tensors="pt"))
    tree = ll.capture(model, inputs)
    single, double = eager_maps("minilm", inputs)
    rows = inputs["attention_mask"].bool().numpy()
    valid = rows[:, None, :, None]
    maps = [site["weights"].values for site in sites_of(tree)]
    assert farthest(maps, double, valid) <= CHANCE * farthest(single, double, valid)
    for site in sites_of(tree):
        assert np.array_equal(site["key_valid"].values, rows)
        factors = factors_of(site["weights"])
        if factors is None:
            continue
        scores = np.einsum("ehqd,ehkd->ehqk", factors.query, factors.key, dtype=np.float64)
        scores = np.where(rows[:, None, None], scores * factors.scale, -np.inf)
        bound = rounding(largest(scores), factors.query.shape[-1], scores.shape[-1])
        assert np.abs((site["weights"].values - exact(scores)) * valid).max() <= bound


def test_whisper_hears_and_its_generation_is_captured():
    """In silence it says what it always says there, which only its own parameters make it say."""
    model = pretrained.load("whisper")
    texts = []

    def call(model, x):
        texts.append(model.generate(**x, max_new_tokens=6, do_sample=False))

    tree = ll.capture(model, {"input_features": torch.full((1, 80, 3000), -0.8)}, call=call)
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
    for model in pretrained.MODELS.values():
        assert model.package.licence
        assert len(model.package.sha256) == 64


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
