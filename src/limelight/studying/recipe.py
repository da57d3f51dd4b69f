"""How a model or data is made anew in another process.

Room: studying. Comes in: an importable name and arguments. Goes out: what the function makes, once
a process. Between processes only this travels: a name of some letters instead of all weights.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from limelight.errors import StudyError


class Recipe:
    """A function by its importable name, and its arguments.

    Parameters
    ----------
    name : str
        ``"package.module:function"``.
    *args, **kwargs : object
        What it is called with; they travel too, so they should be small.

    Raises
    ------
    StudyError
        If the name is not of this form.

    Notes
    -----
    Each process makes it once and keeps it. A study checks that what was made there has the same
    weights.

    Examples
    --------
    >>> Recipe("collections:Counter", "hello").make()["l"]
    2
    """

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        module, _, function = str(name).partition(":")
        if not module or not all(part.isidentifier() for part in (*module.split("."), function)):
            raise StudyError(
                f"Got Recipe({name!r}).",
                "Wanted the name of a function that can be imported: 'package.module:function'.",
                "Put the function that makes the model into a module of its own and name it.",
            )
        self.name, self.args, self.kwargs = name, args, kwargs

    def __repr__(self) -> str:
        parts = [repr(self.name), *map(repr, self.args)]
        parts += [f"{key}={value!r}" for key, value in self.kwargs.items()]
        return f"Recipe({', '.join(parts)})"

    def make(self) -> Any:
        """Return what the function makes, made once in this process.

        Returns
        -------
        object

        Raises
        ------
        StudyError
            If there is no such function here.
        """
        key = repr(self)
        if key not in _made:
            _made[key] = self.function()(*self.args, **self.kwargs)
        return _made[key]

    def function(self) -> Callable[..., Any]:
        """Return the function itself.

        Returns
        -------
        callable

        Raises
        ------
        StudyError
            If there is no such function here.
        """
        module, _, function = self.name.partition(":")
        try:
            made: Callable[..., Any] = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise StudyError(
                f"Got Recipe({self.name!r}), which cannot be imported here: {error}.",
                "Wanted a function of a module on every worker's path.",
                "Install the module, or set PYTHONPATH; names of __main__ are not importable.",
            ) from error
        return made


_made: dict[str, Any] = {}
