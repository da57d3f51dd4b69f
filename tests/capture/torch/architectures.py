"""Tiny random models of many architectures of transformers, and where each says its attention.

A row names a model class, the options of its config, what to feed it, and for each of its outputs
that holds attention the sites it speaks of: a pattern for their paths and their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
import transformers

from limelight.testing.rounding import rounding, spread

VOCABULARY = 40
EXAMPLES, LENGTH, TARGET = 2, 6, 4
SELF = (("attentions", "*", "self"),)
SEQUENCES = (
    ("encoder_attentions", "*encoder/*", "self"),
    ("decoder_attentions", "*decoder/*", "self"),
    ("cross_attentions", "*decoder/*", "cross"),
)
# The two spellings of the same sizes that configs use.
BERT = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0,
}  # fmt: skip
LLAMA = {**BERT, "num_attention_heads": 4, "num_key_value_heads": 2, "eos_token_id": 1,
         "bos_token_id": 1}  # fmt: skip
GPT = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32,
       "bos_token_id": 1, "eos_token_id": 1}  # fmt: skip
BART = {
    "vocab_size": VOCABULARY, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24, "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 1, "decoder_start_token_id": 1, "forced_eos_token_id": 1,
}  # fmt: skip
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
       "intermediate_size": 24, "image_size": 12, "patch_size": 4}  # fmt: skip
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}


def ids(examples: int = EXAMPLES, length: int = LENGTH) -> Any:
    """Return word ids; 0 is padding and 1 the end of a sentence, so neither is drawn."""
    return torch.randint(2, VOCABULARY, (examples, length))


def words() -> dict[str, Any]:
    return {"input_ids": ids()}


def pairs() -> dict[str, Any]:
    return {"input_ids": ids(), "decoder_input_ids": ids(length=TARGET)}


def images(side: int = 12) -> dict[str, Any]:
    return {"pixel_values": torch.randn(EXAMPLES, 3, side, side)}


def sound() -> dict[str, Any]:
    return {"input_values": torch.randn(EXAMPLES, 160)}


@dataclass(frozen=True)
class Architecture:
    """One row of the table."""

    name: str
    model: str
    options: dict[str, Any]
    inputs: Callable[[], dict[str, Any]] = words
    says: tuple[tuple[str, str, str], ...] = SELF
    #: How many sites the model has.
    sites: int = 2
    #: Whether its own answer, with eager attention, can be believed.
    honest: bool = True
    #: Whether padding on either side makes sense for its inputs.
    padding: bool = True
    eager_only: bool = False
    config: str = ""
    parts: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def build(self, kernel: str | None = None) -> Any:
        """Return a model with random parameters; the same ones after the same seed."""
        kind = getattr(transformers, self.model)
        config_class = getattr(transformers, self.config) if self.config else kind.config_class
        parts = {
            name: getattr(transformers, part)(**options).to_dict()
            for name, (part, options) in self.parts.items()
        }
        config = config_class(**self.options, **parts)
        options = {} if kernel is None else {"attn_implementation": kernel}
        model = kind._from_config(config, **options).eval()
        # As transformers draws them, weights are so small that all keys are attended to alike.
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() > 1 or name.endswith("sinks"):
                    weight.normal_(std=0.2)
        return model

    def twin(self, model: Any) -> Any:
        """Return the same model with eager attention."""
        twin = self.build("eager")
        twin.load_state_dict(model.state_dict())
        return twin

    def compared(
        self, tree: Any, model: Any, outputs: Any, rows: Any = None
    ) -> list[tuple[Any, Any, str]]:
        """Compare each site of a capture with the map the model itself gives: site, map, kind.

        Both were summed in float32, in two ways, from the embeddings to the scores: so many numbers
        as all of the model's matrices have columns. ``rows`` says which queries are no padding;
        what padding attends to, each kernel decides.
        """
        columns = sum(matrix.shape[-1] for matrix in model.parameters() if matrix.dim() > 1)
        triples = self.expected(tree, outputs)
        for site, maps, _ in triples:
            weights = site["weights"].values
            assert weights.shape == maps.shape
            valid = np.ones((1, 1, 1, 1), bool)
            if rows is not None and maps.shape[2] == rows.shape[1]:
                valid = np.asarray(rows, bool)[:, None, :, None]
            bound = 2 * rounding(spread(maps * valid), columns, maps.shape[-1])
            assert np.abs((weights - maps) * valid).max() <= bound, site.attrs["module"]
        return triples

    def expected(self, tree: Any, outputs: Any) -> list[tuple[Any, Any, str]]:
        """Pair each site of a capture with the map the model itself gives: site, map, kind."""
        expected_maps = []
        for where, pattern, kind in self.says:
            maps = outputs
            for name in where.split("."):
                maps = getattr(maps, name)
            sites = [
                site for site in tree
                if fnmatchcase(str(site.attrs["module"]), pattern) and site.attrs["kind"] == kind
            ]  # fmt: skip
            assert len(sites) == len(maps), (where, len(sites), len(maps))
            for site, weights in zip(sites, maps, strict=True):
                # Windows of an image: [example · window, head, …]
                whole = weights.detach().reshape(EXAMPLES, -1, *weights.shape[-2:])
                expected_maps.append((site, whole.float().numpy(), kind))
        return expected_maps


def row(name: str, model: str, options: dict[str, Any], **others: Any) -> Architecture:
    return Architecture(name, model, options, **others)


ARCHITECTURES = [
    # Encoders
    row("bert", "BertModel", BERT),
    row("roberta", "RobertaModel", BERT),
    row("distilbert", "DistilBertModel", {
        "vocab_size": VOCABULARY, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
        "max_position_embeddings": 32}),
    row("albert, one layer run twice", "AlbertModel", {**BERT, "embedding_size": 8}),
    row("electra", "ElectraModel", {**BERT, "embedding_size": 8}),
    row("deberta-v2", "DebertaV2Model", {
        **BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}, eager_only=True),
    row("mpnet", "MPNetModel", {**BERT, "pad_token_id": 1}, eager_only=True),
    row("xlnet", "XLNetModel", {
        "vocab_size": VOCABULARY, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24},
        eager_only=True),
    row("modernbert, every second layer local", "ModernBertModel", {
        **BERT, "local_attention": 4, "global_attn_every_n_layers": 2, "cls_token_id": 2,
        "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}),
    row("esm", "EsmModel", {**BERT, "position_embedding_type": "rotary", "mask_token_id": 3}),
    # Decoders
    row("gpt2", "GPT2Model", GPT),
    row("gptj", "GPTJModel", {**GPT, "rotary_dim": 4}, eager_only=True),
    row("gpt-neox", "GPTNeoXModel", BERT),
    row("gpt-neo, every second layer local", "GPTNeoModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_layers": 2, "num_heads": 2,
        "attention_types": [[["global", "local"], 1]], "window_size": 3,
        "max_position_embeddings": 32}, eager_only=True),
    row("opt", "OPTModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 24,
        "num_attention_heads": 2, "max_position_embeddings": 32, "word_embed_proj_dim": 16,
        "pad_token_id": 0}),
    row("bloom, ALiBi", "BloomModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "n_layer": 2, "n_head": 2}, eager_only=True),
    row("falcon, rotary", "FalconModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "alibi": False}),
    row("falcon with ALiBi, which its own eager attention adds twice", "FalconModel", {
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "alibi": True, "multi_query": False}, honest=False),
    row("llama, grouped queries", "LlamaModel", LLAMA),
    row("mistral, sliding window", "MistralModel", {**LLAMA, "sliding_window": 3}),
    row("mixtral, routed experts", "MixtralModel", {**LLAMA, **EXPERTS}),
    row("qwen2", "Qwen2Model", LLAMA),
    row("qwen3", "Qwen3Model", {**LLAMA, "head_dim": 8}),
    row("gemma2, soft cap and window", "Gemma2Model", {
        **LLAMA, "head_dim": 4, "sliding_window": 3, "attn_logit_softcapping": 5.0,
        "query_pre_attn_scalar": 2}),
    row("gemma3, window", "Gemma3TextModel", {
        **LLAMA, "head_dim": 4, "sliding_window": 3, "query_pre_attn_scalar": 2,
        "layer_types": ["sliding_attention", "full_attention"]}),
    row("phi3", "Phi3Model", LLAMA),
    row("olmo2", "Olmo2Model", LLAMA),
    row("cohere", "CohereModel", LLAMA),
    row("starcoder2", "Starcoder2Model", LLAMA),
    row("gpt-oss, sink logits and window", "GptOssModel", {
        **LLAMA, **EXPERTS, "head_dim": 4, "sliding_window": 3,
        "layer_types": ["sliding_attention", "full_attention"]}),
    row("deepseek-v3, latent keys", "DeepseekV3Model", {
        **LLAMA, "num_key_value_heads": 4, "q_lora_rank": 8, "kv_lora_rank": 8,
        "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 6, "n_routed_experts": 4,
        "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "moe_intermediate_size": 8,
        "first_k_dense_replace": 1}),
    # From one sequence to another
    row("t5, relative bias", "T5Model", {
        "vocab_size": VOCABULARY, "d_model": 16, "d_kv": 8, "num_heads": 2, "num_layers": 2,
        "d_ff": 24, "pad_token_id": 0, "decoder_start_token_id": 0},
        inputs=pairs, says=SEQUENCES, sites=6),
    row("bart", "BartModel", BART, inputs=pairs, says=SEQUENCES, sites=3),
    row("marian", "MarianModel", BART, inputs=pairs, says=SEQUENCES, sites=3),
    row("pegasus", "PegasusModel", BART, inputs=pairs, says=SEQUENCES, sites=3),
    row("whisper", "WhisperModel", {
        **BART, "num_mel_bins": 4, "max_source_positions": 6, "max_target_positions": 8},
        inputs=lambda: {"input_features": torch.randn(EXAMPLES, 4, 12),
                        "decoder_input_ids": ids(length=TARGET)},
        says=SEQUENCES, sites=3, padding=False),
    # Sound and images
    row("wav2vec2", "Wav2Vec2Model", {
        **BERT, "conv_dim": [8, 8], "conv_stride": [5, 4], "conv_kernel": [10, 8],
        "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0, "mask_feature_prob": 0.0},
        inputs=sound, padding=False),
    row("hubert", "HubertModel", {
        **BERT, "conv_dim": [8, 8], "conv_stride": [5, 4], "conv_kernel": [10, 8],
        "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0, "mask_feature_prob": 0.0},
        inputs=sound, padding=False),
    row("vit", "ViTModel", VIT, inputs=images, padding=False),
    row("deit", "DeiTModel", VIT, inputs=images, padding=False),
    row("beit, relative bias", "BeitModel", {
        **VIT, "vocab_size": VOCABULARY, "use_relative_position_bias": True},
        inputs=images, padding=False),
    row("dinov2", "Dinov2Model", VIT, inputs=images, padding=False),
    row("swin, windows", "SwinModel", {
        "image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2], "num_heads": [2],
        "window_size": 4}, inputs=lambda: images(16), padding=False,
        says=(("attentions", "*blocks/1*", "self"),)),  # it keeps one map per stage
    row("clip", "CLIPModel", {}, config="CLIPConfig", parts={
        "text_config": ("CLIPTextConfig", BERT), "vision_config": ("CLIPVisionConfig", VIT)},
        inputs=lambda: {**words(), **images()}, padding=False, sites=4,
        says=(("text_model_output.attentions", "text_model/*", "self"),
              ("vision_model_output.attentions", "vision_model/*", "self"))),
    row("siglip", "SiglipModel", {}, config="SiglipConfig", parts={
        "text_config": ("SiglipTextConfig", BERT), "vision_config": ("SiglipVisionConfig", VIT)},
        inputs=lambda: {**words(), **images()}, padding=False, sites=5,
        says=(("text_model_output.attentions", "text_model/*", "self"),
              ("vision_model_output.attentions", "vision_model/encoder/*", "self"))),
]  # fmt: skip

BY_NAME = {
    architecture.name.partition(",")[0]: architecture for architecture in reversed(ARCHITECTURES)
}
