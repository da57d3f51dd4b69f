"""Words generated one by one, with any cache, give the map of one pass over all of them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import architectures.py

from architectures import BY_NAME, EXAMPLES, LENGTH, VOCABULARY
from written import close

import limelight as ll
from limelight.errors import UnsupportedModelError
from limelight.factors import factors_of

NEW = 6

# A model, the class that generates, and how its cache is asked for. After the window of 3 of the
# sliding ones, old positions are forgotten.
CASES = [
    ("llama", "LlamaForCausalLM", {}),
    ("llama", "LlamaForCausalLM", {"use_cache": False}),
    ("llama", "LlamaForCausalLM", {"cache_implementation": "static"}),
    ("llama", "LlamaForCausalLM", {"prefill_chunk_size": 2}),
    ("mistral", "MistralForCausalLM", {}),
    ("mistral", "MistralForCausalLM", {"cache_implementation": "static"}),
    ("gemma2", "Gemma2ForCausalLM", {}),
    ("gemma2", "Gemma2ForCausalLM", {"cache_implementation": "hybrid"}),
    ("gemma3", "Gemma3ForCausalLM", {}),
    ("gemma3", "Gemma3ForCausalLM", {"cache_implementation": "static"}),
    ("gpt-oss", "GptOssForCausalLM", {}),
    ("gpt2", "GPT2LMHeadModel", {}),
    ("bloom", "BloomForCausalLM", {}),
    ("falcon", "FalconForCausalLM", {}),
    ("t5", "T5ForConditionalGeneration", {}),
    ("t5", "T5ForConditionalGeneration", {"cache_implementation": "static"}),
    ("bart", "BartForConditionalGeneration", {}),
    ("bart", "BartForConditionalGeneration", {"use_cache": False}),
    ("whisper", "WhisperForConditionalGeneration", {}),
]


def sites_of(tree):
    return sorted((leaf.dataset for leaf in tree.leaves), key=lambda site: site.attrs["order"])


def writing(name, kind):
    """An architecture of the table, with its head for words."""
    return dataclasses.replace(BY_NAME[name], model=kind)


def generated(model, inputs, **options):
    """Generate under capture; returns the tree and the whole text."""
    texts = []

    def call(model, x):
        texts.append(
            model.generate(**x, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, **options)
        )

    return ll.capture(model, inputs, call=call), texts[0]


@torch.no_grad()
def teacher_forced(architecture, model, inputs, text):
    """Run the eager twin once over the text, but for its last word, which nobody looks from."""
    twin, text = architecture.twin(model), text[:, :-1]
    if not model.config.is_encoder_decoder:
        return twin(input_ids=text, output_attentions=True, use_cache=False)
    if "input_features" in inputs:  # Whisper returns the text without what it began with
        text = torch.cat([torch.full((EXAMPLES, 1), 1), text], dim=1)
    return twin(**inputs, decoder_input_ids=text, output_attentions=True, use_cache=False)


@pytest.mark.filterwarnings("ignore")  # what transformers says about its own caches
@pytest.mark.parametrize(
    ("name", "kind", "options"),
    CASES,
    ids=["-".join([name, *map(str, options.values())]) for name, _, options in CASES],
)
def test_successive_calls_become_the_map_of_one_pass(name, kind, options):
    architecture = writing(name, kind)
    model, inputs = architecture.build(), architecture.inputs()
    inputs.pop("decoder_input_ids", None)
    tree, text = generated(model, inputs, **options)
    outputs = teacher_forced(architecture, model, inputs, text)
    assert len(sites_of(tree)) == architecture.sites
    for site, maps, kind in architecture.compared(sites_of(tree), model, outputs):
        assert site.attrs["kind"] == kind
        future = np.triu(np.ones(maps.shape[-2:], bool), 1)
        if kind == "self" and "encoder/" not in site.attrs["module"].replace("decoder/", ""):
            assert not np.broadcast_to(site["allowed"].values, (EXAMPLES, *future.shape))[
                :, future
            ].any()


def test_prompts_padded_on_the_left_keep_their_padding():
    architecture = writing("llama", "LlamaForCausalLM")
    model, inputs = architecture.build(), architecture.inputs()
    inputs["attention_mask"] = torch.ones(EXAMPLES, LENGTH, dtype=torch.long)
    inputs["attention_mask"][1, :2] = 0
    tree, text = generated(model, inputs)
    mask = torch.cat([inputs["attention_mask"], torch.ones(EXAMPLES, NEW - 1).long()], dim=1)
    with torch.no_grad():
        outputs = architecture.twin(model)(
            input_ids=text[:, :-1], attention_mask=mask, output_attentions=True,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        )  # fmt: skip
    for site, _, _ in architecture.compared(sites_of(tree), model, outputs, mask):
        assert site["key_valid"].values.tolist() == mask.bool().tolist()


def test_joined_steps_are_still_vectors():
    """64 words more cost 64 vectors more, not 64 rows of maps."""
    model = writing("llama", "LlamaForCausalLM").build()
    text = torch.randint(2, VOCABULARY, (EXAMPLES, 20))

    def call(model, x):
        model.generate(**x, max_new_tokens=12, min_new_tokens=12, do_sample=False)

    tree = ll.capture(model, {"input_ids": text}, call=call)
    assert factors_of(sites_of(tree)[0]["weights"]).key.shape == (EXAMPLES, 2, 31, 4)


def test_words_that_are_taken_back_leave_no_row():
    """Speculative decoding writes ahead and crops its cache where it guessed wrong."""
    model = writing("llama", "LlamaForCausalLM").build()
    text = torch.randint(2, VOCABULARY, (EXAMPLES, 9))
    guess = text.clone()
    guess[:, 6] = torch.where(text[:, 6] == 5, 6, 5)

    def call(model, x):
        cache = transformers.DynamicCache(config=model.config)
        model(x["input_ids"][:, :4], past_key_values=cache)
        model(guess[:, 4:8], past_key_values=cache)
        cache.crop(-2)
        model(x["input_ids"][:, 6:], past_key_values=cache)

    tree = ll.capture(model, {"input_ids": text}, call=call)
    for site, whole in zip(
        sites_of(tree), sites_of(ll.capture(model, {"input_ids": text})), strict=True
    ):
        close(site, whole["weights"].values)


@pytest.mark.parametrize("name", ["llama", "t5", "gemma2"])
@pytest.mark.parametrize("options", [{"num_beams": 2}, {"num_beams": 2, "num_return_sequences": 2}])
def test_beams_are_refused(name, options):
    kinds = {"llama": "LlamaForCausalLM", "t5": "T5ForConditionalGeneration",
             "gemma2": "Gemma2ForCausalLM"}  # fmt: skip
    architecture = writing(name, kinds[name])
    inputs = {"input_ids": architecture.inputs()["input_ids"]}
    with pytest.raises(UnsupportedModelError, match="do not go on from one another") as caught:
        generated(architecture.build(), inputs, **options)
    assert "num_beams=1" in caught.value.fix
