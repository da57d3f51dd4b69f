"""What a live model's softmaxes are taken for: ``limelight doctor --model module:function``.

Room: apps. Comes in: where a function lies that makes a model, with or without inputs. Goes out:
the table of :func:`limelight.sites`, values compared. Knows no framework.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limelight.apps.named import call_of, parts_of
from limelight.capture import Probe, SoftmaxTable, sites
from limelight.errors import UnavailableError

#: Length of an axis that a model leaves open.
_OPEN = 6
#: Examples that are made up where none are given.
_EXAMPLES = 3
_BOTH = "Let the function return (model, inputs), with a few examples as inputs."


def live(target: str) -> SoftmaxTable:
    """Make a model, and list every softmax that runs in it.

    Parameters
    ----------
    target : str
        ``module:function``, or ``folder/file.py:function``. The function takes no arguments, and
        returns a model, or a tuple of it and a few examples (a Probe or what it is made of), a
        tokenizer, which is of no use here, or both.

    Returns
    -------
    SoftmaxTable
        With the values of the first example.

    Raises
    ------
    UnavailableError
        If there is no such function, or it fails.
    UnsupportedModelError, ProbeError
        As :func:`limelight.sites`.
    """
    model, _, inputs = parts_of(call_of(target))
    return sites(model, _inputs(model) if inputs is None else inputs, values=True)


def _inputs(model: Any) -> Any:
    """Make up inputs, where the model itself says which it takes."""
    dummies = getattr(model, "dummy_inputs", None)
    if dummies is not None:
        return dummies
    specs = getattr(model, "inputs", None)
    if not isinstance(specs, (list, tuple)) or not specs:
        raise UnavailableError(
            f"Got a {type(model).__name__} that does not say what it takes.",
            "Wanted a few examples beside it.",
            _BOTH,
        )
    generator = np.random.default_rng(0)
    arrays = [_made_up(spec, generator) for spec in specs]
    return Probe(arrays[0] if len(arrays) == 1 else tuple(arrays))


def _made_up(spec: Any, generator: np.random.Generator) -> Any:
    """Make up an array of a shape and a dtype; ids are ones, which every table of vectors has."""
    shape = (_EXAMPLES, *(_OPEN if size is None else int(size) for size in spec.shape[1:]))
    dtype = np.dtype(str(getattr(spec.dtype, "name", spec.dtype)).replace("bfloat16", "float32"))
    if dtype.kind == "f":
        return generator.normal(size=shape).astype(dtype)
    return np.ones(shape, dtype)
