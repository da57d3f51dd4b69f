"""Positions of vision transformers lie on their images, class and register tokens beside them."""

from __future__ import annotations

import pytest
import torch
import transformers

import limelight as ll

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "image_size": 16, "patch_size": 8,
}  # fmt: skip
PATCHES = ["(0, 0)", "(0, 1)", "(1, 0)", "(1, 1)"]


@pytest.mark.parametrize(
    ("name", "options", "before"),
    [
        ("ViT", {}, ["[class]"]),
        ("DeiT", {}, ["[class]", "[distillation]"]),
        ("Dinov2WithRegisters", {"num_register_tokens": 2},
         ["[class]", "[register 1]", "[register 2]"]),
    ],
)  # fmt: skip
def test_a_vision_transformer(name, options, before):
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SIZES, **options)
    model = getattr(transformers, f"{name}Model")(config).eval()
    probe = ll.Probe({"pixel_values": torch.rand(2, 3, 16, 16)}, patches=(8, 8))
    (leaf,) = ll.capture(model, probe).leaves
    site = leaf.dataset
    assert site.attrs["query_layout"] == site.attrs["key_layout"] == (2, 2)
    for side in ("query", "key"):
        assert site[f"{side}_token"].values.tolist() == [[*before, *PATCHES]] * 2
        assert site[f"{side}_valid"].all()
