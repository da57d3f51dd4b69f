"""Reads Whisper out of the file format of CTranslate2.

Room: pretrained. Comes in: the bytes of a ``model.bin``. Goes out: arrays under the names that
transformers gives them. The format: version, name and revision of a specification, then each
array as name, shape, type and bytes; all numbers little-endian.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import UnavailableError

_VERSION = 6
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_NORM = {"gamma": "weight", "beta": "bias"}
_OUTER = {
    "conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm",
    "position_encodings/encodings": "embed_positions.weight",
    "embeddings/weight": "embed_tokens.weight",
}  # fmt: skip
_INNER = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/linear_0": "encoder_attn.q_proj",
    "attention/linear_2": "encoder_attn.out_proj",
}
# Projections kept as one matrix, one below the other.
_FUSED = {
    "self_attention/linear_0": ("self_attn", ("q_proj", "k_proj", "v_proj")),
    "attention/linear_1": ("encoder_attn", ("k_proj", "v_proj")),
}


def read(data: bytes) -> dict[str, NDArray[Any]]:
    """Return every array of a model file by its own name.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict of str to array

    Raises
    ------
    UnavailableError
        If it is no such file.
    """
    start = 0

    def numbers(form: str) -> tuple[int, ...]:
        nonlocal start
        values = struct.unpack_from(f"<{form}", data, start)
        start += struct.calcsize(f"<{form}")
        return values

    def text() -> str:
        nonlocal start
        (length,) = numbers("H")
        start += length
        return data[start - length : start].rstrip(b"\0").decode()

    (version,) = numbers("I")
    kind = text() if version == _VERSION else ""
    if kind != "WhisperSpec":
        raise UnavailableError(
            f"Got a model file of version {version} and kind {kind!r}.",
            f"Wanted CTranslate2's format, version {_VERSION}, of a Whisper model.",
            "Report it: the version and hash of its package are the expected ones.",
        )
    _, count = numbers("II")
    arrays = {}
    for _ in range(count):
        name = text()
        (rank,) = numbers("B")
        shape = numbers("I" * rank)
        kind_of, size = numbers("BI")
        values = np.frombuffer(data, _TYPES[kind_of], size // np.dtype(_TYPES[kind_of]).itemsize,
                               start)  # fmt: skip
        arrays[name] = values.reshape(shape)
        start += size
    return arrays


def config(arrays: dict[str, NDArray[Any]]) -> Any:
    """Return the config of an English-only model that the arrays fit.

    Parameters
    ----------
    arrays : dict of str to array

    Returns
    -------
    transformers.WhisperConfig
    """
    from transformers import WhisperConfig

    words, width = arrays["decoder/embeddings/weight"].shape
    layers = {
        side: len({name.split("/")[1] for name in arrays if name.startswith(f"{side}/layer_")} -
                  {"layer_norm"})
        for side in ("encoder", "decoder")
    }  # fmt: skip
    hidden = arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0]
    heads = {side: int(arrays[f"{side}/num_heads"]) for side in ("encoder", "decoder")}
    return WhisperConfig(
        vocab_size=words, d_model=width, num_mel_bins=arrays["encoder/conv1/weight"].shape[1],
        encoder_layers=layers["encoder"], decoder_layers=layers["decoder"],
        encoder_attention_heads=heads["encoder"], decoder_attention_heads=heads["decoder"],
        encoder_ffn_dim=hidden, decoder_ffn_dim=hidden,
        max_source_positions=len(arrays["encoder/position_encodings/encodings"]),
        max_target_positions=len(arrays["decoder/position_encodings/encodings"]),
        bos_token_id=50257, decoder_start_token_id=50257, eos_token_id=50256, pad_token_id=50256,
    )  # fmt: skip


def state(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Return the parameters under the names of ``WhisperForConditionalGeneration``.

    Parameters
    ----------
    arrays : dict of str to array

    Returns
    -------
    dict of str to array
        float32.
    """
    state: dict[str, NDArray[np.float32]] = {}
    for name, array in arrays.items():
        side, _, rest = name.partition("/")
        if array.ndim and array.dtype == np.float16:
            for module, values in _renamed(rest, array.astype(np.float32)):
                state[f"model.{side}.{module}"] = values
    return state


def _renamed(rest: str, array: NDArray[np.float32]) -> list[tuple[str, NDArray[np.float32]]]:
    if rest in _OUTER:
        return [(_OUTER[rest], array)]
    what, _, last = rest.rpartition("/")
    last = _NORM.get(last, last)
    if what in _OUTER:
        return [(f"{_OUTER[what]}.{last}", array)]
    layer, _, part = what.partition("/")
    before = f"layers.{layer.removeprefix('layer_')}"
    if part in _INNER:
        return [(f"{before}.{_INNER[part]}.{last}", array)]
    block, names = _FUSED[part]
    pieces = np.split(array, len(names))
    return [
        (f"{before}.{block}.{name}.{last}", piece)
        for name, piece in zip(names, pieces, strict=True)
        if (name, last) != ("k_proj", "bias")  # zeros: a bias of keys changes no softmax
    ]
