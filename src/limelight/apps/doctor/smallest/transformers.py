"""The smallest Hugging Face model with attention, for finding out whether capture works here.

Room: apps. ``limelight doctor`` runs it, found by being in this folder. May import torch and
transformers, and of limelight its public names and doctor's own.
"""

from __future__ import annotations

import limelight as ll
from limelight.apps.doctor.proof import agreed, require

FRAMEWORK = "Hugging Face transformers"


def prove() -> str:
    """Capture one layer's attention and compare it with what the library's slow path returns.

    Returns
    -------
    str
        What was found, in plain words.

    Raises
    ------
    UnavailableError
        If torch or transformers is missing.
    LimelightError
        If the two differ.
    """
    require("torch", "transformers")
    require("transformers", "transformers")
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=8,
    )  # fmt: skip
    model = transformers.BertModel(config).eval()
    inputs = {"input_ids": torch.arange(1, 6)[None]}
    (site,) = ll.capture(model, inputs).leaves
    model.set_attn_implementation("eager")
    expected = model(**inputs, output_attentions=True).attentions[0]
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    return agreed(versions, site.dataset["weights"].values, expected.detach().numpy())
