"""``torch.nn.MultiheadAttention``: one function in whose inside torch's modes see nothing.

Room: capture, torch. What it calls there is intercepted by name, as long as it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "torch"


def kernels() -> Iterator[Kernel]:
    """Yield the function, with the names of what it calls."""
    from torch.nn import functional

    yield Kernel(
        functional.multi_head_attention_forward,
        asks=(functional, "has_torch_function"),
    )
