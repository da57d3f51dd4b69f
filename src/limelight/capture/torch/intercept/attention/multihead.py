"""``torch.nn.MultiheadAttention``: one function in whose inside torch's modes see nothing.

Room: capture, torch. What it calls there is intercepted by name, as long as it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "torch"


def kernels() -> Iterator[Kernel]:
    """Yield the function, with the names of what it calls."""
    import torch
    from torch.nn import functional

    yield Kernel(
        functional.multi_head_attention_forward,
        within=(
            (functional, "scaled_dot_product_attention"),
            (functional, "softmax"),
            (functional, "dropout"),
            (torch, "bmm"),
            (torch, "baddbmm"),
        ),
    )
