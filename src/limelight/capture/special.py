"""Positions that stand before the patches of an image: a class token, registers.

Room: capture. Comes in: names and shapes of a model's parameters. Goes out: names for such
positions, only where the parameters say how many of them there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: What such parameters are called, in the order in which models put them. Names only name: what is
#: shown, and where, does not follow from them.
_KINDS = {
    "class": re.compile(r"(cls|class)_?(token|embedding|embed|emb)s?$"),
    "distillation": re.compile(r"dist(illation)?_tokens?$"),
    "register": re.compile(r"(reg|register|storage)_tokens?$"),
}


def special(parameters: Iterable[tuple[str, Sequence[int]]]) -> tuple[str, ...]:
    """Return the names of positions before an image.

    Parameters
    ----------
    parameters : iterable of (str, sequence of int)
        Names, and shapes.

    Returns
    -------
    tuple of str
        Empty where there are none, or where it is not clear that they come first: registers alone
        stand before the patches in some models, behind them in others.

    Examples
    --------
    >>> special([("vit/cls_token", (1, 1, 8)), ("vit/register_tokens", (1, 2, 8))])
    ('[class]', '[register 1]', '[register 2]')
    """
    counts: dict[str, int] = {}
    for name, shape in parameters:
        last = re.split(r"[./]", name)[-1].lower()
        for kind, pattern in _KINDS.items():
            if pattern.search(last):
                if kind in counts:
                    return ()  # of several parts of a model
                counts[kind] = 1 if len(shape) < 2 else int(shape[-2])
    if "class" not in counts:
        return ()
    return tuple(
        f"[{kind}]" if counts[kind] == 1 else f"[{kind} {number + 1}]"
        for kind in _KINDS
        if kind in counts
        for number in range(counts[kind])
    )


def named(special: tuple[str, ...], layout: tuple[int, int], length: int) -> tuple[str, ...]:
    """Return the names of all positions where some stand before an image.

    Parameters
    ----------
    special : tuple of str
    layout : (int, int)
        Rows and columns of the image.
    length : int
        How many positions there are.

    Returns
    -------
    tuple of str
        Empty where they are not just these and the image's, or only the image's.
    """
    rows, columns = layout
    if not special or length != rows * columns + len(special):
        return ()
    return (*special, *(f"({row}, {column})" for row in range(rows) for column in range(columns)))
