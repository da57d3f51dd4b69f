"""Whether two models have the same weights.

Room: studying. Comes in: a live model. Goes out: a hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from limelight.capture.adapter import adapter_for


def weights_digest(model: Any) -> str:
    """Return a hash of every parameter, by name.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    adapter = adapter_for(model)
    named = getattr(adapter, "every_parameter", adapter.named_parameters)(model)
    whole = hashlib.sha256()
    for name in sorted(named):
        item = named[name]
        values = getattr(item, "values", item)
        values = values() if callable(values) else values
        whole.update(name.encode())
        if values is not None:
            held = np.ascontiguousarray(values)
            whole.update(f"{held.dtype}{held.shape}".encode())
            whole.update(held.tobytes())
    return whole.hexdigest()[:32]
