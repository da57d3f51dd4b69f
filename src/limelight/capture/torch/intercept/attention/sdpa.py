"""Torch's own fused attention, ``scaled_dot_product_attention``.

Room: capture, torch. Comes in: its arguments. Goes out: the
:class:`~limelight.capture.torch.intercept.events.Attend` that they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from limelight.capture.torch.intercept.events import Attend
from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "torch"


def kernels() -> Iterator[Kernel]:
    """Yield the function, and the operator that exported programs call."""
    import torch

    yield Kernel(torch.nn.functional.scaled_dot_product_attention, _read)
    yield Kernel(torch.ops.aten.scaled_dot_product_attention.default, _read)


def _read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attend:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, args, strict=False)) | kwargs
    return Attend(
        given["query"], given["key"], given["value"], given.get("attn_mask"),
        bool(given.get("is_causal", False)), given.get("scale"),
        dropout=float(given.get("dropout_p") or 0.0),
    )  # fmt: skip
