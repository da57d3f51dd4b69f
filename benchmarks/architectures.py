"""Architectures, tiny and random: each is captured and held against its own maps.

A row is the name of an architecture, as ``transformers.AutoConfig.for_model`` knows it. Its config
is the default with small sizes; what its model returns for ``output_attentions`` under eager
attention is the truth: every map and every site must find its like, axis by axis, under the name of
the layer, and be called ``self`` or ``cross`` as the model lists it. ``REFUSED`` have no map to
give, and must be refused in words. Models written by hand say themselves what is right
(:mod:`benchmarks.written`). A test runs them all; so does ``python -m benchmarks --only
architectures``, which counts them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers

import limelight as ll
from benchmarks import written
from benchmarks.figure import Figure
from limelight.errors import UnsupportedModelError


def _listed(names: str) -> list[str]:
    return names.split()


_ROOT = Path(__file__).resolve().parent.parent

#: Two ways to compute a tiny map in single precision differ by less.
CLOSE = 1e-4

RIGHT = _listed("""
    albert apertus arcee aria_text bart beam beit bert bert-generation bigbird_pegasus biogpt
    bitnet blenderbot blenderbot-small bloom camembert chinese_clip_vision_model clip_text_model
    clip_vision_model cohere cohere2 cohere2_moe ctrl cwm data2vec-text data2vec-vision deberta
    deberta-v2 deit dinov2 dinov2_with_registers dinov3_vit distilbert doge dpr dpt electra
    ernie ernie4_5 ernie4_5_moe esm eurobert exaone4 exaone_moe flaubert flex_olmo flint fsmt
    gemma gemma2 gemma3_text glm glm4 glm4_moe glmasr_encoder gpt-sw3 gpt2 gpt_bigcode gpt_neox
    gpt_neox_japanese gpt_oss granite granite_docling_text granite_swa granitemoe granitemoe_swa
    granitemoeshared gte helium higgs_audio_v2 hrm_text hunyuan_v1_dense hunyuan_v1_moe hy_v3
    hyperclovax ibert ijepa imagegpt inkling_text internlm3 inkling2_text iquestcoder jais2 jetmoe
    jina_embeddings_v3 kolibri1 laguna layoutlm lfm2 llama llama4_text marian markuplm mbart
    megatron-bert mellum mimo_v2_flash minimax_m2 minimax_m3_vl_text ministral3 mistral mixtral
    mlcd mlcd_vision_model mobilebert modernbert modernbert-decoder molmo2_text moshi
    moss_transcribe_diarize_audio mpnet mpt mt5 muse_glimmer_text muse_spark_text nanochat
    nemotron nllb-moe nomic_bert nystromformer olmo olmo2 olmo3 olmo_hybrid olmoe openai-gpt
    openai_privacy_filter opt pegasus persimmon phi phi3 phimoe pixio plbart qianfan_ocr_vision
    qwen2 qwen2_audio_encoder qwen2_moe qwen3 qwen3_vl_moe_text qwen3_vl_text rembert roberta
    roberta-prelayernorm roformer sam3_vit_model sapiens2 seed_oss segformer sew smollm3
    solar_open splinter stablelm starcoder2 switch_transformers t5 tapas tipsv2_text_model
    tipsv2_vision_model ultrabert umt5 vaultgemma visual_bert vit vit_msn vitdet voxtral_encoder
    voxtral_realtime_encoder whisper xglm xlm xlm-roberta xlm-roberta-xl
""")  # fmt: skip

REFUSED = _listed("""
    falcon_mamba fnet focalnet longformer mamba mobilenet_v2 mra pixtral rwkv yoso
""")  # fmt: skip

#: Their maps are not one of each layer, in order.
_COUNTED_OTHERWISE = frozenset(("albert", "hrm_text", "olmo_hybrid", "segformer"))

#: Small sizes, by the names that configs have for them; later ones win.
_SIZES = {
    "hidden_size d_model n_embd dim embed_dim hidden_dim word_embed_proj_dim embedding_size "
    "emb_dim cross_attention_hidden_size": 16,
    "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers "
    "num_decoder_layers num_encoder_layers num_key_value_heads": 2,
    "num_attention_heads n_head n_heads num_heads encoder_attention_heads "
    "decoder_attention_heads head_dim d_kv patch_size num_local_experts num_experts "
    "n_routed_experts": 4,
    "intermediate_size n_inner d_ff ffn_dim encoder_ffn_dim decoder_ffn_dim hidden_dim d_inner "
    "moe_intermediate_size": 24,
    "max_position_embeddings n_positions max_seq_len max_source_positions "
    "max_target_positions": 64,
    "vocab_size": 40, "image_size": 16, "num_mel_bins": 8, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 1, "decoder_start_token_id": 1, "num_experts_per_tok": 2,
}  # fmt: skip


def measure(tiny: bool = False) -> list[Figure]:
    """Count the rows that come out right, and those refused that should be."""
    names = [*RIGHT[:4], *REFUSED[:2]] if tiny else [*RIGHT, *REFUSED]
    rows = list(written.ROWS)[:4] if tiny else list(written.ROWS)
    backends = ("torch", "tensorflow", "jax")[: 0 if tiny else None]
    return [
        _counted("transformers", {name: verdict(name) for name in names},
                 "tiny random models; each map beside that of output_attentions with eager "
                 "attention"),
        _counted("PyTorch by hand", {name: written.verdict(name) for name in rows},
                 "tiny random models; each map beside the one that the model itself noted"),
        *map(_keras, backends),
    ]  # fmt: skip


def _keras(backend: str) -> Figure:
    """Count the rows of the tests' table of Keras models, in a process with that backend."""
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-k", "written_by_hand",
               "tests/capture/backends/test_axes.py"]  # fmt: skip
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(_ROOT / "src")}
    run = subprocess.run(
        command, cwd=_ROOT, env=environment, check=False, capture_output=True, text=True
    )
    counts = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed)", run.stdout)
    }
    if not counts:
        raise RuntimeError(run.stdout + run.stderr)
    names = [f"row {number + 1}" for number in range(sum(counts.values()))]
    wrong = re.findall(r"^FAILED .*\[(.*)\]", run.stdout, flags=re.MULTILINE)
    verdicts = dict.fromkeys(names[len(wrong) :], "") | dict.fromkeys(wrong, "wrong")
    return _counted(f"Keras by hand, on {backend}", verdicts,
                    "small random models; each map beside the one that the layer itself noted"
                    + ("; every sixth row" if backend == "jax" else ""))  # fmt: skip


def _counted(whose: str, verdicts: Mapping[str, str], how: str) -> Figure:
    wrong = [f"{name}: {said}" for name, said in verdicts.items() if said]
    return Figure(
        f"architectures of {whose} whose maps are not their own, of all that were tried",
        0.0,
        True,
        float(len(wrong)),
        "",
        f"{len(verdicts)} tried, {len(verdicts) - len(wrong)} right or refused by name"
        + "".join(f"; {each}" for each in wrong),
        how,
    )


def verdict(name: str) -> str:
    """Say what is wrong with the capture of an architecture; empty where nothing is.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    model, inputs = built(name)
    try:
        tree = ll.capture(model, inputs)
    except UnsupportedModelError as error:
        return "" if name in REFUSED else f"refused: {error}"
    if name in REFUSED:
        return "taken, though it has no map"
    wanted = maps_of(model, inputs)
    sites = [_Site(node.path.strip("/"), node["weights"].values, node.attrs["kind"])
             for node in tree.leaves]  # fmt: skip
    layers: dict[str, int] = {}
    for label, values in wanted:
        layer = layers[label] = layers.get(label, -1) + 1
        like = [site for site in sites if _alike(site.weights, values)]
        if not like:
            return f"no site is like {label} {values.shape}"
        wrong = _misnamed(model, name, like[0], label, layer, values)
        if wrong:
            return wrong
        sites.remove(like[0])
    return f"{sites[0].path} is no map of the model's" if sites else "" if wanted else "no maps"


class _Site(NamedTuple):
    path: str
    weights: Any
    kind: str


def _misnamed(model: Any, name: str, site: _Site, label: str, layer: int, values: Any) -> str:
    """Say what is wrong with a site's name or kind, by what the model calls the map."""
    crosses = "cross" in label or values.shape[-2] != values.shape[-1]
    if site.kind != ("cross" if crosses else "self"):
        return f"{site.path} is called {site.kind}, and is one of {label}"
    module, _, _ = site.path.partition(":")
    if module.replace("/", ".") not in dict(model.named_modules()):
        return f"{site.path} is the name of no module"
    side = "decoder" if "decoder" in label or "cross" in label else "encoder"
    if model.config.is_encoder_decoder and not site.path.startswith(side):
        return f"{site.path} is one of {label}"
    numbers = [int(part) for part in module.split("/") if part.isdigit()]
    if layer not in numbers and name not in _COUNTED_OTHERWISE:
        return f"{site.path} is map {layer} of {label}"
    return ""


def built(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a tiny random model in evaluation mode, and inputs for it.

    Parameters
    ----------
    name : str

    Returns
    -------
    torch.nn.Module
    dict of str to tensor
    """
    kind = type(transformers.AutoConfig.for_model(name))
    default = kind()
    sizes = {key: size for keys, size in _SIZES.items() for key in keys.split()}
    config = kind(**{key: size for key, size in sizes.items() if _counts(default, key)})
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():  # as transformers draws them, all keys are attended to alike
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    torch.manual_seed(1)
    return model, _inputs(model, config)


def maps_of(model: Any, inputs: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the maps that a model itself gives with eager attention, with their names.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : dict of str to tensor

    Returns
    -------
    list of (str, array)
    """
    twin = type(model)._from_config(model.config, attn_implementation="eager").eval()
    twin.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        outputs = twin(**inputs, output_attentions=True)
    return [
        (name, values.float().numpy())
        for name, values in _tensors(outputs, "")
        if "attention" in name and values.dim() == 4
    ]


def _counts(config: Any, key: str) -> bool:
    value = getattr(config, key, False)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _inputs(model: Any, config: Any) -> dict[str, Any]:
    def ids(length: int) -> Any:
        return torch.randint(2, 40, (2, length))

    side = getattr(config, "image_size", 32)
    side = side if isinstance(side, int) else side[0]
    ways = {
        "input_ids": lambda: ids(6),
        "pixel_values": lambda: torch.randn(2, getattr(config, "num_channels", 3), side, side),
        "input_values": lambda: torch.randn(2, 800),
        "input_features": lambda: torch.randn(2, getattr(config, "num_mel_bins", 80), 128),
    }
    inputs = {model.main_input_name: ways[model.main_input_name]()}
    if getattr(config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = ids(4)
    return inputs


def _alike(weights: Any, values: Any) -> bool:
    return weights.shape == values.shape and bool(np.abs(weights - values).max() < CLOSE)


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(part, f"{name}.{key}")
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part, name)
