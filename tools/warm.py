"""Compiles, once, what the tests import and run.

They start several processes together, and each would compile the same again. Nothing is written
but Python's and Numba's own caches.
"""

from __future__ import annotations

import importlib

import numpy as np

from limelight.analyses import blockwise
from limelight.factors import factored
from limelight.rule import Rule

for name in ("jax.numpy", "keras", "lightning", "tensorflow", "torch._dynamo"):
    importlib.import_module(name)
importlib.import_module("transformers.trainer")

side = 1024
query = np.zeros((1, 1, side, 4), np.float32)
blockwise.everything(factored(query, query, Rule.causal(side, side), 1.0), ["entropy"])
