"""Takes the attention of a live model, once.

Room: capture. Comes in: a model and a few examples. Goes out: a tree of labelled datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from limelight import renamed
from limelight.capture.adapter import adapter_for
from limelight.capture.contribution import with_contributions, with_gradients
from limelight.capture.probe import Probe, Tokens
from limelight.capture.probe.axes import INPUTS, Axes
from limelight.capture.probe.probe import listed
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
    axes: Axes | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    examples: slice | Sequence[int] | None = None,
    gradients: Callable[[Any], Any] | None = None,
    contributions: bool = False,
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
    include, exclude, axes, call : optional
        As in :class:`~limelight.capture.probe.Probe`, which takes them everywhere a model is
        recorded or gated. Beside a Probe, they add to what it says. Where ``call`` makes a model
        generate, what one module does in successive calls of the model is joined: one row more per
        new token.
    examples : slice or sequence of int, optional
        Keep only these of the inputs' examples. The model runs on all of them, so a few examples of
        a batch that has to be run anyway cost next to nothing.
    gradients : callable, optional
        Takes what the model returns, in the model's framework, and gives one number, or one for
        each example, whose sum is meant, such as ``lambda outputs: outputs.logits[:, 1]``. Each
        site then holds ``gradients`` beside ``weights``, of the same dims: by how much that number
        changes with each weight, all that comes after it followed. The model runs once more.
    contributions : bool
        Hold what heads give, too: ``head_output`` [example, head, query, head_feature], weights
        times values; and ``head_contribution`` [example, head, query, feature], what their slice of
        the output projection makes of it, which sums over heads, with ``output_bias`` [feature], to
        what the projection gives. The model runs twice more.

    Returns
    -------
    DataTree
        One node per site at the module's path, such as ``encoder/attention``; ``attrs["order"]``
        counts the sites in the order they ran. Each holds ``weights`` [example, head, query, key]
        float32, ``allowed``, ``query_valid``, ``key_valid``, and tokens where lengths match. A
        module that ran twice has a second site ``encoder/attention:1``. Axes of the batch beyond
        the first count as heads. A site without gradients or contributions says why in its
        attributes ``no_gradients``, ``no_contributions`` and ``no_head_contribution``.

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
        probe = corrected(inputs, include, exclude, axes, call)
    else:
        probe = Probe(
            inputs, tokens=tokens, layout=layout, include=include, exclude=exclude, axes=axes,
            call=call,
        )  # fmt: skip
    numbers = _numbers(examples, probe.examples)
    adapter = adapter_for(model)
    tree = adapter.watch(model, probe, numbers)
    if gradients is not None:
        tree = with_gradients(tree, adapter.weight_gradients(model, probe, gradients), numbers)
    if contributions:
        tree = with_contributions(tree, adapter.contributions(model, probe), numbers)
    return tree


def corrected(
    probe: Probe,
    include: Sequence[str] | str | None,
    exclude: Sequence[str] | str | None,
    axes: Axes | None,
    call: Callable[[Any, Any], Any] | None,
) -> Probe:
    """Return a probe that says more of how a model is read.

    Parameters
    ----------
    probe : Probe
    include, exclude, axes, call : optional
        Each adds to what the probe says; ``call`` stands instead.

    Returns
    -------
    Probe
    """
    if not (include or exclude or axes or call):
        return probe
    if axes and INPUTS in axes:
        raise ProbeError(
            "Got a Probe, and the axis of its inputs' examples beside it.",
            "Wanted them in one place.",
            "Give axes={'inputs': …} to the Probe.",
        )
    return probe.changed(
        include=(*listed("include", probe.include), *listed("include", include)),
        exclude=(*listed("exclude", probe.exclude), *listed("exclude", exclude)),
        axes={**(probe.axes or {}), **(axes or {})},
        call=call or probe.call,
    )


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
