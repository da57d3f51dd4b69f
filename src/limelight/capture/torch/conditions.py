"""What else than its weights decides a torch model's numbers, and where its random ones stand.

Room: capture, torch. Comes in: a model. Goes out: plain facts, and a context.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from limelight.capture.probe import Probe
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.state import _randomness, _restore_randomness

#: What modules call the number of their keys' heads, and of heads that share one.
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_kv_head", "kv_heads")
_SHARED = ("num_key_value_groups", "num_queries_per_kv", "n_rep")


def circumstances(model: Any) -> dict[str, Any]:
    """Return the framework, the device, the precision and the threads that a model runs with."""
    import torch

    first = next((p for p in model.parameters()), torch.zeros(()))
    kind = first.device.type
    cast = torch.is_autocast_enabled(kind)
    casts = f", autocast {_plain(torch.get_autocast_dtype(kind))}" if cast else ""
    return {
        "framework": f"torch {torch.__version__}",
        "device": str(first.device),
        "precision": _plain(first.dtype) + casts,
        "threads": torch.get_num_threads(),
    }


@contextmanager
def stirred(model: Any) -> Iterator[None]:  # noqa: ARG001
    """Let all random numbers be others while the context lasts."""
    import torch

    before = _randomness()
    try:
        random.seed(20_170_612)
        np.random.seed(20_170_612)  # noqa: NPY002
        torch.manual_seed(20_170_612)
        yield
    finally:
        _restore_randomness(before)


def key_heads(model: Any, heads: dict[str, int], probe: Probe) -> dict[str, int]:  # noqa: ARG001
    """Return how many heads the keys of each site have; as many as queries where none are shared.

    Parameters
    ----------
    model : torch.nn.Module
    heads : dict of str to int
        Sites and how many heads their queries have.
    probe : Probe

    Returns
    -------
    dict of str to int
    """
    modules = {path: module for module, path in torch_names.paths(torch_names.unwrapped(model))}
    return {site: _of_keys(site, count, modules) for site, count in heads.items()}


def _of_keys(site: str, heads: int, modules: dict[str, Any]) -> int:
    """Look in the module of a site and those around it for how many heads share their keys."""
    parts = site.split("/")
    for length in range(len(parts), -1, -1):
        module = modules.get("/".join(parts[:length]))
        for holder in (module, getattr(module, "config", None)):
            for name in (*_KEY_HEADS, *_SHARED):
                number = getattr(holder, name, None)
                if isinstance(number, int) and number > 0 and heads % number == 0:
                    return number if name in _KEY_HEADS else heads // number
    return heads


def _plain(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
