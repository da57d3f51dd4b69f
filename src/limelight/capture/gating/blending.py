"""What blending a head's contribution with another means, before any framework's tensors.

Room: capture. Comes in: gates as they were written, and sizes. Goes out: which heads each is for,
or an error where nothing can be blended. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from limelight.capture.gating.gates import Piece
from limelight.errors import GateError

#: Sizes of the axes of positions; None where a size is not known yet.
Sizes = Sequence[int | None]


def meanings(pieces: Sequence[Piece], heads: int) -> Iterator[tuple[Any, list[bool] | None]]:
    """Yield each gate of a site and the heads it is for, in the order in which later ones win.

    Parameters
    ----------
    pieces : sequence of Piece
    heads : int
        How many heads the site has.

    Yields
    ------
    (float or tensor, list of bool or None)
        None where the value itself has an axis of all heads.

    Examples
    --------
    >>> list(meanings((Piece(1, 0.5),), heads=3))
    [(0.5, [False, True, False])]
    """
    for piece in pieces:
        if piece.each_head:
            yield piece.value, None
            continue
        indices = set(piece.indices(heads))
        yield piece.value, [head in indices for head in range(heads)]


def wrong_batch(examples: int, rows: int) -> GateError:
    """Return the error for gates of other examples than the batch has.

    Parameters
    ----------
    examples : int
        How many the gates are for.
    rows : int
        How many the model attends in.

    Returns
    -------
    GateError
    """
    return GateError(
        f"Got gates for {examples} examples, where the model attends in {rows}.",
        "Wanted one for each example of the batch.",
        "Give gates of the batch's own length.",
    )


def check_sample(
    site: str, examples: int | None, positions: Sizes, reference: Sizes | None
) -> None:
    """Make sure that there is another example to take a sample from.

    Parameters
    ----------
    site : str
    examples : int or None
        Of the batch; None where it is not known yet.
    positions : sequence of int
        Of the batch, one size an axis.
    reference : sequence of int, optional
        Those of the reference, where there is one.

    Raises
    ------
    GateError
        If the batch has one example and there is no reference, or it has other positions.
    """
    if reference is None:
        if examples is not None and examples < 2:
            raise GateError(
                "Got a batch of one example for replace='sample'.",
                "Wanted another example to take a sample from.",
                "Give a larger batch, or a reference.",
            )
    elif tuple(reference) != tuple(positions):
        raise GateError(
            f"Got a reference of {_spell(reference)} positions for {_spell(positions)} at "
            f"{site!r}.",
            "Wanted the same number, since samples are taken position by position.",
            "Pad the reference to the length of the inputs.",
        )


def _spell(sizes: Sizes) -> str:
    return "×".join("any" if size is None else str(size) for size in sizes)
