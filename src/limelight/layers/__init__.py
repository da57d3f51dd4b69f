"""Layers that users put into models of their own, one file for each framework.

Room: low; knows nothing of the others. Comes in: which framework is loaded. Goes out: its layer, a
class of the framework's own, without any tie to recording. Loads no framework that is not loaded.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Literal, NoReturn

from limelight.errors import LimelightError, UnavailableError

Framework = Literal["keras", "torch"]

_FRAMEWORKS: tuple[Framework, ...] = ("keras", "torch")


class _Door(type):
    """Lets ``isinstance`` know the layers of all frameworks."""

    def __instancecheck__(cls, instance: object) -> bool:
        loaded = (sys.modules.get(f"{__name__}.{name}") for name in _FRAMEWORKS)
        return any(isinstance(instance, module.AttentionPooling) for module in loaded if module)


class AttentionPooling(metaclass=_Door):
    """Weigh the positions of a sequence and add them up: a layer of Keras or of PyTorch.

    The weights are a softmax over positions of ``v · tanh(W h + b)``, where ``h`` is a position's
    vector: what an LSTM gives for it, or any other encoder. Padding weighs exactly 0, and its
    length is no part of the layer, so sequences of any length go through it. Where a sequence is
    padding only, its weights and its sum are 0. limelight captures it as any other attention.

    Parameters
    ----------
    *sizes : int
        In PyTorch, how many features a position has. Keras sees that itself.
    framework : ``"keras"`` or ``"torch"``, optional
        Which layer is wanted, where both are loaded; else the one that is. Where Keras runs on
        PyTorch, it is Keras' layer, which is a module of PyTorch as well.
    **options
        ``units``: how many features ``W h`` has, as many as ``h`` if not given. The rest is what
        each layer of the framework takes, such as ``name`` in Keras, ``dtype`` in both.

    Raises
    ------
    LimelightError
        If a size makes no sense, or both frameworks are loaded and it is not said which is wanted.
    UnavailableError
        If neither is loaded.

    Notes
    -----
    A layer is called with states [example, position, feature] and, in PyTorch, a ``mask``
    [example, position] of booleans, True where a position counts; Keras hands it on by itself. It
    gives [example, feature]; with ``return_attention_scores=True`` the weights
    [example, position] too. The classes themselves, to subclass them or to load a saved model in
    a process that has not used them yet, are ``limelight.layers.keras.AttentionPooling`` and
    ``limelight.layers.torch.AttentionPooling``.

    References
    ----------
    Z. Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016,
    equations 5 to 7. doi:10.18653/v1/N16-1174

    Examples
    --------
    >>> AttentionPooling(framework="jax")
    Traceback (most recent call last):
        ...
    limelight.errors.LimelightError: Got framework='jax'. Wanted 'keras' or 'torch'. Correct it.
    """

    def __new__(cls, *sizes: int, framework: Framework | None = None, **options: Any) -> Any:
        """Make the layer; what comes back is the framework's."""
        module = importlib.import_module(f"{__name__}.{framework_of(framework)}")
        return module.AttentionPooling(*sizes, **options)

    def __init_subclass__(cls, **_: Any) -> NoReturn:
        """Refuse a subclass, of which no instance would ever be made."""
        raise LimelightError(
            f"Got {cls.__name__} as a subclass of limelight.AttentionPooling.",
            "Wanted a subclass of the layer of one framework.",
            "Write: from limelight.layers.keras import AttentionPooling, or limelight.layers.torch",
        )


def framework_of(wanted: str | None, what: str = "AttentionPooling") -> Framework:
    """Return which framework's layer, or loss, is wanted.

    Parameters
    ----------
    wanted : ``"keras"`` or ``"torch"``, optional
    what : str
        What is to be made, for the message.

    Returns
    -------
    str
        What was said; else the framework that is loaded.

    Raises
    ------
    LimelightError
        If it is none of the two, or both are loaded and neither runs on the other.
    UnavailableError
        If none is loaded.

    Examples
    --------
    >>> framework_of("torch")
    'torch'
    """
    if wanted is not None:
        for name in _FRAMEWORKS:
            if name == wanted:
                return name
        raise LimelightError(
            f"Got framework={wanted!r}.", "Wanted 'keras' or 'torch'.", "Correct it."
        )
    loaded: list[Framework] = [name for name in _FRAMEWORKS if name in sys.modules]
    if len(loaded) == 1 or (loaded and sys.modules["keras"].backend.backend() == "torch"):
        return loaded[0]
    if loaded:
        raise LimelightError(
            f"Got {what} where both Keras and PyTorch are loaded.",
            "Wanted to know whose it is to be.",
            "Say framework='keras' or framework='torch'.",
        )
    raise UnavailableError(
        f"Got {what} where neither Keras nor PyTorch is loaded.",
        "Wanted the framework that it is for.",
        "Import keras or torch first, or say framework='keras' or framework='torch'.",
    )


def check_units(units: int | None) -> None:
    """Make sure that a number of features is one.

    Parameters
    ----------
    units : int, optional

    Raises
    ------
    LimelightError
        If it is no whole number from 1.

    Examples
    --------
    >>> check_units(None)
    """
    if units is not None and (type(units) is not int or units < 1):
        raise LimelightError(
            f"Got units={units!r}.",
            "Wanted a whole number from 1, or None.",
            "Leave it out for as many as there are features.",
        )
