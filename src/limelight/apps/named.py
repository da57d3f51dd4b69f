"""A function that a command is given by name: ``--model module:function``.

Room: apps. Comes in: where a function lies. Goes out: what it returns.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from limelight.errors import LimelightError, UnavailableError

MODEL: Final = "a model, or (model, inputs)"


def call_of(target: str, option: str = "--model", returns: str = MODEL) -> Any:
    """Call the function that an option names.

    Parameters
    ----------
    target : str
        ``module:function``, or ``folder/file.py:function``. The function takes no arguments.
    option : str
        For messages.
    returns : str
        What it should return, for messages.

    Returns
    -------
    object

    Raises
    ------
    UnavailableError
        If there is no such function, or it fails.
    """
    module, colon, name = target.rpartition(":")
    if not (colon and module and name):
        raise UnavailableError(
            f"Got {option} {target}.",
            "Wanted a module and a function in it.",
            f"Write it as {option} my_package.model:build, or {option} model.py:build.",
        )
    function = getattr(_module(module), name, None)
    if not callable(function):
        raise UnavailableError(
            f"Got {option} {target}, but {module} has no function {name!r}.",
            f"Wanted a function that takes nothing and returns {returns}.",
            f"Write def {name}() there.",
        )
    try:
        return function()
    except LimelightError:
        raise
    except Exception as error:
        raise UnavailableError(
            f"The function {name!r} of {module} failed: {type(error).__name__}: {error}.",
            f"Wanted a function that takes nothing and returns {returns}.",
            "Correct it: called by itself in Python, it shows where it fails.",
        ) from error


def parts_of(made: Any) -> tuple[Any, Any, Any]:
    """Tell a model, its tokenizer and inputs apart, which one function returned.

    Parameters
    ----------
    made : object
        A model, or a tuple of it and a tokenizer, inputs, or both.

    Returns
    -------
    model, tokenizer, inputs : object
        None for what is not there.
    """
    model, *rest = made if isinstance(made, tuple) and made else (made,)
    tokenizer = next((part for part in rest if _is_tokenizer(part)), None)
    return model, tokenizer, next((part for part in rest if part is not tokenizer), None)


def _is_tokenizer(part: Any) -> bool:
    """Say whether something makes ids of text rather than being inputs."""
    if hasattr(part, "shape") or isinstance(part, (Mapping, list, tuple)):
        return False
    return callable(part)


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
