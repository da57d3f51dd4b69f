"""Reads a softmax's axes by their lengths, where they could not be followed; and kinds of layers.

Room: capture, Keras. Comes in: a shape, or a layer. Goes out: what its axes are, or what it is.
"""

from __future__ import annotations

from typing import Any


def form_of(
    shape: tuple[int, ...], examples: int, widths: set[int], forced: bool
) -> tuple[tuple[int, ...], int] | str:
    """Read a softmax's axes as example, heads, queries and keys, by their lengths.

    Parameters
    ----------
    shape : tuple of int
    examples : int
    widths : set of int
        How long sequences are.
    forced : bool
        Whether the user said that it is attention.

    Returns
    -------
    (axes in that order, how many are queries), or why it is not attention
    """
    if len(shape) < 2 or shape[0] != examples:
        return foreign_batch(shape, examples)
    rank, width = len(shape), shape[-1]
    order = tuple(range(rank))
    square = rank > 2 and shape[-2] == width
    if width < 2 and not forced:
        return "it runs over a single value"
    if width not in widths and not square and not forced:
        return f"it runs over {width} values, and no sequence here is that long"
    if rank == 2:
        return order, 0
    if rank == 3:
        positional = shape[1] in widths or square or shape[1] == 1 or forced
        return order, 1 if positional else 0
    if rank == 4 and shape[2] not in widths and not square and shape[1] in widths:
        return (0, 2, 1, 3), 1  # heads after queries
    return order, 1


def foreign_batch(shape: tuple[int, ...], examples: int) -> str:
    """Say that a softmax does not begin with the examples.

    Parameters
    ----------
    shape : tuple of int
    examples : int

    Returns
    -------
    str
    """
    return f"its shape is {list(shape)}, which does not begin with the {examples} examples"


def is_only_softmax(operation: Any) -> bool:
    """Say whether an operation does nothing but a softmax.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    bool
    """
    import keras

    layers = keras.layers
    plain = not isinstance(operation, layers.Layer)
    return plain or isinstance(operation, (layers.Softmax, layers.Activation))


def is_container(operation: Any) -> bool:
    """Say whether an operation is a model of others.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    bool
    """
    import keras

    return isinstance(operation, keras.Model)


def attention_layers() -> tuple[type, ...]:
    """Return Keras' own layers of attention.

    Returns
    -------
    tuple of type
    """
    import keras

    layers = keras.layers
    return (
        layers.Attention,
        layers.AdditiveAttention,
        layers.MultiHeadAttention,
        layers.GroupQueryAttention,
    )


def class_layers() -> tuple[type, ...]:
    """Return layers whose outputs are one for each class.

    Returns
    -------
    tuple of type
    """
    import keras

    layers = keras.layers
    return (layers.Dense, layers.EinsumDense, layers.Conv1D, layers.Conv2D)
