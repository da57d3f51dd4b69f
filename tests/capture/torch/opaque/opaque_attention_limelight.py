"""Tells limelight how to read the attention of ``opaque_attention``."""

from __future__ import annotations

import math

from limelight.capture.torch.intercept import Attend, Kernel

LIBRARY = "opaque_attention"


def kernels():
    import opaque_attention

    yield Kernel(opaque_attention.attend, read)
    yield Kernel(opaque_attention.operator, read)


def read(args, kwargs):
    query, key, value = (part.transpose(1, 2) for part in args)
    return Attend(
        query, key, value,
        scale=kwargs.get("sharpness", 1.0) * math.log(2),
        causal=kwargs.get("causal", False),
        heads_last=True,
    )  # fmt: skip
