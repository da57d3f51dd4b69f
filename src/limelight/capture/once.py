"""Takes the attention of a live model, once.

Room: capture. Comes in: a model and a few examples. Goes out: a tree of labelled datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from limelight import renamed
from limelight.capture.adapter import adapter_for
from limelight.capture.probe import Probe, Tokens
from limelight.errors import ProbeError


@renamed.arguments(run="call")
def capture(
    model: Any,
    inputs: Any,
    *,
    tokens: Tokens | None = None,
    layout: tuple[int, int] | None = None,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    examples: slice | Sequence[int] | None = None,
) -> xr.DataTree:
    """Run a model once and return the attention of every module in it.

    The model stays as it is: outputs, parameters, state and compiled functions.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module
        A live model.
    inputs : Probe, array, tuple of arrays, or mapping of str to array
        A few examples, prepared as for the model's own call. Tensors and a tokenizer's output will
        do. A tuple holds positional arguments; a mapping holds keyword arguments of a torch model,
        or is a Keras model's own dict of inputs.
    tokens, layout : optional
        As in :class:`~limelight.capture.probe.Probe`.
    include, exclude : str or sequence of str, optional
        Paths (``*`` matches anything) of softmaxes that are attention, or are not, where limelight
        guesses wrong.
    call : callable, optional
        Called as ``call(model, inputs)`` instead of ``model(inputs)``, with the inputs as tensors,
        such as ``lambda model, x: model.generate(**x, max_new_tokens=9, do_sample=False)``. What
        one module does in successive calls of the model is joined: one row more per new token.
    examples : slice or sequence of int, optional
        Keep only these of the inputs' examples. The model runs on all of them, so a few examples of
        a batch that has to be run anyway cost next to nothing.

    Returns
    -------
    DataTree
        One node per site at the module's path, such as ``encoder/attention``; ``attrs["order"]``
        counts the sites in the order they ran. Each holds ``weights`` [example, head, query, key]
        float32, ``allowed``, ``query_valid``, ``key_valid``, and tokens where lengths match. A
        module that ran twice has a second site ``encoder/attention:1``. Axes of the batch beyond
        the first count as heads.

    Raises
    ------
    UnsupportedModelError
        If no adapter knows the model, or no attention was seen in it.
    ProbeError
        If the model refuses the inputs.

    Examples
    --------
    >>> import keras, numpy as np
    >>> x = keras.Input((5, 4))
    >>> model = keras.Model(x, keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x))
    >>> tree = capture(model, np.ones((3, 5, 4), "float32"))
    >>> tree["attention"]["weights"].shape
    (3, 2, 5, 5)
    """
    if isinstance(inputs, Probe):
        if tokens is not None or layout is not None:
            raise ProbeError(
                "Got a Probe, and tokens or a layout beside it.",
                "Wanted them in one place.",
                "Give tokens and layout to the Probe.",
            )
        probe = inputs
    else:
        probe = Probe(inputs, tokens=tokens, layout=layout)
    adapter = adapter_for(model)
    numbers = _numbers(examples, probe.examples)
    return adapter.watch(model, probe, _listed(include), _listed(exclude), call, numbers)


def _numbers(examples: slice | Sequence[int] | None, count: int) -> list[int] | None:
    """Return which examples are wanted, counted from the first; None for all."""
    if examples is None:
        return None
    every = range(count)
    try:
        numbers = list(
            every[examples] if isinstance(examples, slice) else map(every.__getitem__, examples)
        )
    except IndexError:
        numbers = []
    if not numbers:
        raise ProbeError(
            f"Got examples={examples!r} for inputs of {count}.",
            f"Wanted some of those, numbered 0 to {count - 1}.",
            "Correct the numbers, or leave them out to keep all.",
        )
    return numbers


def _listed(paths: Sequence[str] | str | None) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths or ())
