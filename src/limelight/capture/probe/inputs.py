"""What a model is called with, as a probe keeps it.

Room: capture, probe. Comes in: whatever a user calls the model with. Goes out: copies of its
arrays, where in each of them the examples lie, and what all examples share. Knows no framework:
tensors are only asked for their values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limelight.capture.probe.refused import refuse, refuse_unbatched, refuse_uneven
from limelight.errors import ProbeError

#: What goes to the model as it came: it has no axes.
PLAIN = (type(None), bool, int, float, complex, str, bytes)

#: Inputs that examples are counted by before any other.
_MAIN = (
    "input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values", "inputs",
)  # fmt: skip

#: Parts of names of inputs that examples are counted by after any other.
_ASIDE = ("mask", "bias", "edge", "adj", "position", "pos_", "rotary")

#: Where examples lie: on one axis of each input, on none, or said input by input.
InputAxes = int | Mapping[Any, int | None] | None


class Inputs(NamedTuple):
    """What a model is called with.

    Attributes
    ----------
    values : array, tuple, or dict of str to object
        Arrays, and beside them what has no axes.
    axes : tuple of (int or None)
        For each array, in order, the axis of the examples; None where all share it.
    dtypes : tuple of (str or None)
        For each array, the precision it came in, where NumPy has none of that name.
    examples : int
    rows : tuple of bool
        For each array, whether its first axis seems to count rows of its own beside a single
        example, such as several images of one text.
    """

    values: Any
    axes: tuple[int | None, ...]
    dtypes: tuple[str | None, ...]
    examples: int
    rows: tuple[bool, ...]


def read(inputs: Any, shared: Collection[Any], where: InputAxes) -> Inputs:
    """Copy inputs to NumPy, so that nobody changes them between two recordings.

    Parameters
    ----------
    inputs : object
        As a :class:`~limelight.capture.probe.Probe` takes them.
    shared : collection of str or int
        Names or positions of inputs that all examples share.
    where : int, None, or mapping
        The axis of the examples.

    Returns
    -------
    Inputs

    Raises
    ------
    ProbeError
        If they are nothing a model can be called with, or hold no example.
    """
    refuse(inputs)
    several = isinstance(inputs, (Mapping, tuple)) or (
        isinstance(inputs, list) and bool(inputs) and all(hasattr(i, "shape") for i in inputs)
    )
    if isinstance(inputs, Mapping):
        named = {str(name): value for name, value in inputs.items()}
        refuse_unbatched(named)
    elif several:
        if isinstance(inputs, list):
            refuse_uneven(inputs)
        named = dict(enumerate(inputs))  # type: ignore[arg-type]
    else:
        named = {0: inputs}  # type: ignore[dict-item]
    _named(shared, named, "shared")
    dtypes = {name: _precision(value) for name, value in named.items()}
    # What is given twice stays one: queries and keys of the same positions.
    copies = {id(value): _value(value, alone=not several) for value in named.values()}
    values = {name: copies[id(value)] for name, value in named.items()}
    axes, count = _example_axes(values, shared, where)
    for name in values if several else ():
        if _is_plainly(named[name]) and axes[name] is None:
            values[name] = named[name]  # as it came: a size, a list of options
    arrays = [name for name, value in values.items() if isinstance(value, np.ndarray)]
    laid: Any = values
    if not isinstance(inputs, Mapping):
        laid = tuple(values.values()) if several else next(iter(values.values()))
    said = where.keys() if isinstance(where, Mapping) else ()
    counted = several and count == 1 and where is not None
    rows = (
        counted and axes[name] is None and name not in (*shared, *said)
        and _has_rows(name, values[name])
        for name in arrays
    )  # fmt: skip
    return Inputs(
        laid, tuple(axes[name] for name in arrays), tuple(dtypes[name] for name in arrays), count,
        tuple(rows),
    )  # fmt: skip


def leaves(values: Any) -> Iterator[Any]:
    """Yield what inputs hold, in order: arrays and what has no axes.

    Parameters
    ----------
    values : object
        Of :class:`Inputs`.

    Yields
    ------
    object
    """
    if isinstance(values, dict):
        yield from values.values()
    elif isinstance(values, tuple):
        yield from values
    else:
        yield values


def filled(values: Any, tensors: Sequence[Any]) -> Any:
    """Return inputs with other values in the place of their arrays.

    Parameters
    ----------
    values : object
        Of :class:`Inputs`.
    tensors : sequence
        One for each array, in order.

    Returns
    -------
    object
        Laid out as ``values``.
    """
    left = iter(tensors)

    def leaf(value: Any) -> Any:
        return next(left) if isinstance(value, np.ndarray) else value

    if isinstance(values, dict):
        return {name: leaf(value) for name, value in values.items()}
    return tuple(map(leaf, values)) if isinstance(values, tuple) else leaf(values)


def cut(array: NDArray[Any], axis: int | None, indices: list[int]) -> NDArray[Any]:
    """Return some examples of an array; all of it where they share it.

    Parameters
    ----------
    array : array
    axis : int or None
    indices : list of int

    Returns
    -------
    array
    """
    return array if axis is None else np.take(array, indices, axis=axis)


def _named(names: Collection[Any], inputs: Mapping[Any, Any], argument: str) -> None:
    for name in names:
        if name not in inputs:
            raise ProbeError(
                f"Got {argument} for the input {name!r}.",
                f"Wanted one of the inputs: {', '.join(map(repr, inputs))}.",
                "Name one of these; inputs of a tuple are numbered from 0.",
            )


def _value(value: Any, alone: bool) -> Any:
    if isinstance(value, PLAIN) and not alone:
        return value
    try:
        array = np.asarray(_outside(value)).copy()
    except Exception as error:
        raise _ragged(error) from error
    if array.dtype == np.float64 and isinstance(value, (list, tuple)):
        array = array.astype(np.float32)  # Python's own numbers came in no precision
    if array.ndim == 0 and array.dtype == object and not alone:
        return value  # an option of the model's own kind
    if array.dtype == object and any(np.ndim(item) for item in array.flat):
        raise _ragged()
    return array


def _is_plainly(value: Any) -> bool:
    """Say whether a value is lists and tuples of Python's own numbers and texts."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, PLAIN) or _is_plainly(item) for item in value)
    return False


def _outside(value: Any) -> Any:
    """Take a torch tensor out of its graph and off its device; leave anything else alone."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    # NumPy knows no bfloat16, nor the smaller floats.
    return tensor.float() if _precision(value) else tensor


def _precision(value: Any) -> str | None:
    """Return the name of a tensor's precision where NumPy has none of that name."""
    if not hasattr(value, "detach") or not value.is_floating_point():
        return None
    name = str(value.dtype).rpartition(".")[2]
    return None if name in {"float16", "float32", "float64"} else name


def _example_axes(
    values: Mapping[Any, Any], shared: Collection[Any], where: InputAxes
) -> tuple[dict[Any, int | None], int]:
    """Tell where each array holds the examples, and how many there are."""
    said: Mapping[Any, int | None] = where if isinstance(where, Mapping) else {}
    _named(said, values, "axes")
    arrays = {n: v for n, v in values.items() if isinstance(v, np.ndarray) and v.ndim > 0}
    axes: dict[Any, int | None] = dict.fromkeys(values)
    if not arrays:
        raise _without_examples()
    if where is None:
        return axes, 1
    common = 0 if isinstance(where, Mapping) else where
    counted = [name for name in arrays if name not in shared and said.get(name, 0) is not None]
    if not counted:
        return axes, 1
    first = _main(counted)
    axis = said.get(first, common) or 0
    count = _length(first, arrays[first], axis)
    for name in counted:
        array = arrays[name]
        if name in said:
            at = said[name] or 0
            if _length(name, array, at) != count:
                raise _uneven(count, array.shape[at])
            axes[name] = at
        else:
            # Masks of a sequence-first model often have the examples first all the same.
            fitting = (a for a in (common, 0) if a < array.ndim and array.shape[a] == count)
            axes[name] = next(fitting, None)
    if count == 0:
        raise _uneven(0)
    return axes, count


def _main(names: Sequence[Any]) -> Any:
    """Return the input whose examples are counted."""
    for known in _MAIN:
        if known in names:
            return known
    plain = (n for n in names if not any(part in str(n).lower() for part in _ASIDE))
    return next(plain, names[0])


def _has_rows(name: Any, array: NDArray[Any]) -> bool:
    """Say whether an array's first axis may count things, each with features or words."""
    aside = any(part in str(name).lower() for part in _ASIDE)
    return not aside and array.ndim > (1 if array.dtype.kind in "iu" else 2)


def _length(name: Any, array: NDArray[Any], axis: int) -> int:
    if not -array.ndim <= axis < array.ndim:
        raise ProbeError(
            f"Got axes={{'inputs': {axis}}} for the input {name!r} of shape {array.shape}.",
            "Wanted the axis on which the examples lie.",
            f"Write a number from 0 to {array.ndim - 1}, or None if it has no such axis.",
        )
    return int(array.shape[axis])


def _ragged(error: Exception | None = None) -> ProbeError:
    reason = f" ({error})" if error is not None else ": its rows are of unequal lengths"
    return ProbeError(
        f"Got inputs that are no array{reason}.",
        "Wanted arrays whose first axis is the example.",
        "Pad the examples to one length first.",
    )


def _without_examples() -> ProbeError:
    return ProbeError(
        "Got a probe without examples.",
        "Wanted arrays whose first axis is the example.",
        "Pass a few examples, such as x[:8].",
    )


def _uneven(*counts: int) -> ProbeError:
    return ProbeError(
        f"Got inputs with {' and '.join(map(str, sorted(counts)))} examples.",
        "Wanted the same number, at least one, in every input.",
        "Cut all inputs alike, such as x[:8].",
    )
