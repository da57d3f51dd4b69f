"""What a live model's softmaxes are taken for: ``limelight doctor --model module:function``.

Room: apps. Comes in: where a function lies that makes a model, with or without inputs. Goes out:
the table of :func:`limelight.sites`, values compared. Knows no framework.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from limelight.capture import Probe, SoftmaxTable, sites
from limelight.errors import LimelightError, UnavailableError

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
        returns a model, or a model and a few examples: a Probe or what it is made of.

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
    made = _made(target)
    pair = isinstance(made, tuple) and len(made) == 2
    model, inputs = made if pair else (made, None)
    return sites(model, _inputs(model) if inputs is None else inputs, values=True)


def _made(target: str) -> Any:
    """Call the function that makes the model."""
    module, colon, name = target.rpartition(":")
    if not (colon and module and name):
        raise UnavailableError(
            f"Got --model {target}.",
            "Wanted a module and a function in it.",
            "Write it as --model my_package.model:build, or --model model.py:build.",
        )
    function = getattr(_module(module), name, None)
    if not callable(function):
        raise UnavailableError(
            f"Got --model {target}, but {module} has no function {name!r}.",
            "Wanted a function that takes nothing and returns a model, or (model, inputs).",
            f"Write def {name}() there.",
        )
    try:
        return function()
    except LimelightError:
        raise
    except Exception as error:
        raise UnavailableError(
            f"The function {name!r} of {module} failed: {type(error).__name__}: {error}.",
            "Wanted a function that takes nothing and returns a model, or (model, inputs).",
            "Correct it, or call limelight.sites(model, inputs) where the model is made.",
        ) from error


def _module(name: str) -> Any:
    """Import a module by its name from the folder one is in, or by its file."""
    path = Path(name)
    try:
        if path.suffix == ".py":
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None or not path.is_file():
                raise ImportError(f"there is no file {path}")
            sys.path.insert(0, str(path.resolve().parent))
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
            return module
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    except Exception as error:
        raise UnavailableError(
            f"{name} could not be imported: {type(error).__name__}: {error}.",
            "Wanted a module with a function that makes the model.",
            "Start limelight in the folder that the module lies in, or name its file.",
        ) from error


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
