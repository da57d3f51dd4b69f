"""The smallest PyTorch model with attention, for finding out whether capture works here.

Room: apps. ``limelight doctor`` runs it, found by being in this folder. May import torch, and of
limelight its public names and doctor's own.
"""

from __future__ import annotations

import limelight as ll
from limelight.apps.doctor.proof import agreed, require

FRAMEWORK = "PyTorch"


def prove() -> str:
    """Capture one layer's attention and compare it with what its module itself returns.

    Returns
    -------
    str
        What was found, in plain words.

    Raises
    ------
    UnavailableError
        If torch is missing.
    LimelightError
        If the two differ.
    """
    require("torch", "torch")
    import torch

    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    inputs = torch.randn(2, 5, 8)
    (site,) = ll.capture(layer, inputs).leaves
    _, expected = layer.self_attn(inputs, inputs, inputs, average_attn_weights=False)
    return agreed(
        f"PyTorch {torch.__version__}", site.dataset["weights"].values, expected.detach().numpy()
    )
