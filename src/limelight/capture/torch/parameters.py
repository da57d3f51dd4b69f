"""The parameters of a torch model, by names that stay the same from run to run.

Room: capture, torch. Comes in: a live model. Goes out: NumPy arrays, the model's own memory where
possible.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import Parameter
from limelight.capture.marks import LARGE, mark_of
from limelight.capture.torch import names

#: Above so many values a sparse parameter is not written out in full.
_MOST: Final = 1 << 27


def named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable parameter under a name that stays the same from run to run.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If a parameter has no values in this process.
    """
    return {name: _array(parameter) for name, parameter in names.parameters(model)}


def every_parameter(model: Any) -> dict[str, Parameter]:
    """Return every parameter, frozen or not, with what is to be said of it.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to Parameter
        One that cannot be read has no values, and a note that says why.

    Raises
    ------
    UnbuiltModelError
        If a parameter is made by the first batch only.
    UnsupportedModelError
        If none has values in this process.
    """
    named = dict(names.every_parameter(model))
    described = {}
    for name, parameter in named.items():
        reason = names.absence(parameter)
        if reason == names.UNINITIALISED:
            raise names.unbuilt(name)
        described[name] = _described(parameter, reason)
    if named and all(parameter.values is None for parameter in described.values()):
        name, parameter = next(iter(described.items()))
        raise names.absent(name, parameter.note)
    return described


def _described(parameter: Any, reason: str | None) -> Parameter:
    shape, trainable = tuple(map(int, parameter.shape)), bool(parameter.requires_grad)
    dtype = str(parameter.dtype).removeprefix("torch.")
    if reason:
        return Parameter(shape, None, trainable, reason)
    try:
        mark = None if trainable else _mark(parameter)
        if mark is not None:
            return Parameter(shape, lambda: _array(parameter), trainable, "", mark, dtype)
        values, note = values_of(parameter)
    except Exception as error:  # noqa: BLE001  # one odd parameter costs only itself
        return Parameter(shape, None, trainable, f"cannot be read: {error}"[:200])
    return Parameter(shape, values, trainable, note, None, dtype)


def _mark(parameter: Any) -> tuple[Any, ...] | None:
    """Return what tells whether a large plain parameter has changed."""
    import torch

    values = parameter.detach()
    plain = values.layout is torch.strided and values.is_floating_point()
    if type(values) is not torch.Tensor or not plain or not values.is_contiguous():
        return None
    if hasattr(parameter, "quant_state") or values.numel() < LARGE:
        return None
    version = () if values.is_inference() else (parameter._version,)
    bits = values.view(
        {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[values.itemsize]
    )
    if values.device.type == "cpu":
        return (*version, *(mark_of(bits.numpy()) or ()))
    samples = bits.flatten()[:: max(bits.numel() // 499, 1)].tolist()
    return (*version, int(bits.sum(dtype=torch.int64)), tuple(samples))


def values_of(parameter: Any) -> tuple[NDArray[Any] | None, str]:
    """Return a parameter's values as an array, and what they are where that is not plain.

    Parameters
    ----------
    parameter : torch.Tensor
        Or a gradient.

    Returns
    -------
    array or None
        The tensor's own memory where possible.
    str
    """
    import torch

    values, note = parameter.detach(), ""
    numbers = values.is_floating_point() or values.is_complex()
    if hasattr(values, "full_tensor"):  # spread over a mesh of one device
        values = values.full_tensor()
    if values.layout is not torch.strided:
        if values.numel() > _MOST:
            return None, f"is sparse, with {values.numel()} places"
        values, note = values.to_dense(), "sparse, zeros included"
    elif values.is_quantized:
        values, note = values.dequantize(), "dequantised"
    elif hasattr(parameter, "quant_state") or not (numbers or type(values) is torch.Tensor):
        return None, f"holds codes of a {type(parameter).__name__}"
    return _array(values), note


def _array(parameter: Any) -> NDArray[Any]:
    values = parameter.detach().cpu()
    if values.is_floating_point() and values.itemsize < 4:
        values = values.float()  # NumPy knows no bfloat16
    return np.asarray(values.numpy())
