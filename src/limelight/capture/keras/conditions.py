"""What else than its weights decides a Keras model's numbers, and where its random ones stand.

Room: capture, Keras. Comes in: a model. Goes out: plain facts, and a context.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.names import paths
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe

_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")


def circumstances(model: Any) -> dict[str, Any]:
    """Return the framework, the device, the precision and the threads that a model runs with."""
    import keras

    said = [os.environ[name] for name in _THREADS if os.environ.get(name, "").isdigit()]
    policy = getattr(getattr(model, "dtype_policy", None), "name", "")
    return {
        "framework": f"keras {keras.__version__} on {backend().version()}",
        "device": "",
        "precision": str(policy or keras.config.floatx()),
        "threads": int(said[0]) if said else os.cpu_count() or 1,
    }


@contextmanager
def stirred(model: Any) -> Iterator[None]:
    """Let all random numbers be others while the context lasts."""
    with untouched(model):
        random.seed(20_170_612)
        np.random.seed(20_170_612)  # noqa: NPY002
        backend().stir()
        for variable in model.variables:
            if "seed_generator" in str(getattr(variable, "path", "")):
                variable.assign(variable + 1)
        yield


def key_heads(model: Any, heads: dict[str, int], probe: Probe) -> dict[str, int]:  # noqa: ARG001
    """Return how many heads the keys of each site have; as many as queries where none are shared.

    Parameters
    ----------
    model : keras.Layer
    heads : dict of str to int
        Sites and how many heads their queries have.
    probe : Probe

    Returns
    -------
    dict of str to int
    """
    at = paths(model)
    shared = {
        at.get(id(layer)): getattr(layer, "num_key_value_heads", None)
        for layer in model._flatten_layers()
    }
    known = {}
    for site, count in heads.items():
        number = shared.get(site)
        fits = isinstance(number, int) and number > 0 and count % number == 0
        known[site] = number if number is not None and fits else count
    return known
