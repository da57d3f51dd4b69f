"""Where the contributions of a Keras layer's heads can be had.

Room: capture, Keras. Layers of Keras' own compute them in one method; of others, attention and
softmaxes are met where the backend computes them, while the layer runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, Final

from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.gates.products import Later, Products
from limelight.capture.keras.recognise.lengths import is_only_softmax

#: Takes contributions, or weights, and whether it is the former, and a function that returns the
#: same of even attention; returns what becomes of them. Of weights it may return a Later.
Seen = Callable[[Any, bool, Callable[[], Any]], Any]

#: Takes a function that attends or takes a softmax, whether it is the former, and what it is called
#: with; returns what comes out instead.
Act = Callable[[Callable[..., Any], bool, tuple[Any, ...], dict[str, Any]], Any]

#: What is added to scores of keys that do not count is below this.
CLOSED: Final = -9e3


def attending(
    layer: Any,
    seen: Seen,
    replace: Callable[[Any, str, Any], None],
    asleep: Callable[[], bool],
    mine: Callable[[], bool],
) -> None:
    """Hand what a layer's heads contribute to a function.

    Parameters
    ----------
    layer : keras.Layer
    seen : callable
    replace : callable
        Puts an attribute into a layer, for as long as the caller likes.
    asleep : callable
        Says whether others are to be left alone just now.
    mine : callable
        Says whether what runs now is the layer's own, not that of a layer inside it.
    """
    for name in ("_compute_attention", "_apply_scores"):
        method = getattr(layer, name, None)
        if callable(method):
            replace(layer, name, _changed(method, seen))
            return
    call = layer.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        if asleep():
            return call(*args, **kwargs)
        with _shown(seen, mine):
            return call(*args, **kwargs)

    replace(layer, "call", watched)


def runs(layer: Any, running: Sequence[Any], model: Any) -> bool:
    """Say whether a softmax that runs now is a layer's own, not that of one inside it.

    Parameters
    ----------
    layer : keras.Layer
    running : sequence of keras.Layer
        The layers that run, innermost last.
    model : keras.Layer
        What they are in.

    Returns
    -------
    bool
    """
    import keras

    last = len(running) - 1
    while last > 0 and is_only_softmax(running[last]) \
            and not isinstance(running[last - 1], keras.Model):  # fmt: skip
        last -= 1
    owner = running[last] if running else model
    if isinstance(owner, keras.layers.TimeDistributed):
        owner = owner.layer
    return owner is layer


def _changed(method: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    def attention(*args: Any, **kwargs: Any) -> Any:
        outputs = method(*args, **kwargs)

        def even() -> Any:
            made = _evened(method, args, kwargs)
            return made[0] if isinstance(made, tuple) else made

        if not isinstance(outputs, tuple):
            return seen(outputs, True, even)
        return (seen(outputs[0], True, even), *outputs[1:])

    return attention


def _evened(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function that attends with queries, or scores, that weigh all open keys alike."""
    from keras import ops

    values = attends_by(args, kwargs)
    level = ops.where(values > CLOSED, ops.zeros_like(values), values)
    args, kwargs = attending_by(args, kwargs, level)
    return function(*args, **kwargs)


def attends_by(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a function that attends, or a softmax, was given first: queries, or scores.

    Parameters
    ----------
    args, kwargs : tuple, dict

    Returns
    -------
    tensor
    """
    at = _first(args)
    return args[at] if isinstance(at, int) else kwargs[_named(kwargs)]


def attending_by(
    args: tuple[Any, ...], kwargs: dict[str, Any], values: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments with other queries, or scores.

    Parameters
    ----------
    args, kwargs : tuple, dict
    values : tensor

    Returns
    -------
    tuple, dict
    """
    at = _first(args)
    if not isinstance(at, int):
        return args, {**kwargs, _named(kwargs): values}
    return (*args[:at], values, *args[at + 1 :]), kwargs


def _first(args: tuple[Any, ...]) -> int | None:
    # A layer's own method is given the layer first.
    return next((index for index, value in enumerate(args) if hasattr(value, "dtype")
                 and hasattr(value, "shape") and not hasattr(value, "build")), None)  # fmt: skip


def _named(kwargs: dict[str, Any]) -> str:
    names = ("query", "scores", "inputs", "x", "input", "logits")
    return next((name for name in names if name in kwargs), "inputs")


@contextmanager
def _shown(seen: Seen, mine: Callable[[], bool]) -> Iterator[None]:
    """Show what every attention and softmax returns while a layer runs."""
    products = Products()

    def act(
        function: Callable[..., Any], features: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        outputs = function(*args, **kwargs)
        changed = seen(outputs, features, lambda: _evened(function, args, kwargs))
        if not isinstance(changed, Later):
            return changed
        products.begin(changed)
        return changed.weights

    with met(act, mine), products.watched():
        yield
    products.finish()


@contextmanager
def met(act: Act, mine: Callable[[], bool]) -> Iterator[None]:
    """Meet every attention and softmax while a layer runs.

    Parameters
    ----------
    act : callable
        What is done instead; what it calls is not met again.
    mine : callable
        Says whether what runs now is the layer's own.

    Yields
    ------
    None
    """
    import keras
    from keras.src import backend as keras_backend

    inside = False

    def interceptor(function: Callable[..., Any], features: bool) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside or not mine():
                return function(*args, **kwargs)
            inside = True
            try:
                return act(function, features, args, kwargs)
            finally:
                inside = False

        return run

    with ExitStack() as undo:
        for owner, name, features in [
            (keras_backend.nn, "dot_product_attention", True),
            (keras_backend.nn, "softmax", False),
            (keras.layers.Softmax, "call", False),
            *((owner, name, False) for owner, name in backend().softmaxes()),
        ]:
            original = getattr(owner, name)
            undo.callback(setattr, owner, name, original)
            setattr(owner, name, interceptor(original, features))
        yield
