"""Tells what each axis of a softmax is: example, head, query or key.

Room: capture, torch. Comes in: the labels of the scores' axes, and how the weights met the values.
Goes out: a role for each factor of each axis, and a note where two readings remain. What only the
queries' side of the product has is a query, what both sides share is an example or a head; lengths
never decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limelight.capture.torch.trace.labels import Axes, Axis, Factor, kind_of, met, root, sources
from limelight.capture.torch.trace.roles import EXAMPLE, HEAD, KEY, QUERY, Roles


def roles_of(call: Any, examples: int, said: Sequence[str | None] | None = None) -> Roles:
    """Tell what the axes of a softmax's scores are.

    Parameters
    ----------
    call : SoftmaxCall
    examples : int
    said : sequence of (str or None), optional
        What the user says that they are.

    Returns
    -------
    Roles
    """
    axes = call.axes
    if axes is None:
        return Roles((), (), reason="what its axes count is not known")
    at = call.axis % len(axes) if axes else 0
    if said is not None:
        return _as_said(axes, at, examples, said)
    parts, reading = _parted(axes, at, call.use, call.attends)
    example = [f for i, axis in enumerate(axes) for f in axis if parts[f, i] == EXAMPLE]
    names = tuple(tuple(parts[f, i] for f in axis) for i, axis in enumerate(axes))
    sizes = tuple(tuple(f[2] for f in axis) for axis in axes)
    features = over_channels(axes, at, call.use)
    keys = axes[at] if axes else ()
    if any(kind_of(f) == EXAMPLE for f in keys):
        shape = [math.prod(axis) for axis in sizes]
        return Roles(sizes, names, reason=f"its shape is {shape}, which does not begin with the "
                     f"{examples} examples: its keys lie along their axis")  # fmt: skip
    rows = {f[2] for i, axis in enumerate(axes) for f in axis
            if kind_of(f) == "row" and parts[f, i] == HEAD}  # fmt: skip
    made = Roles(sizes, names, reading, features)
    if rows:
        shape = [math.prod(axis) for axis in sizes]
        return replace(made, reason=f"its shape is {shape}, with {max(rows)} rows of one input for "
                                    "a single example; shared= makes them heads")  # fmt: skip
    return _with_examples(made, call, axes, at, example, examples)


def _with_examples(
    made: Roles, call: Any, axes: Axes, at: int, example: list[Factor], examples: int
) -> Roles:
    """Find the examples: on an axis, in a loop over them, or shared by all."""
    count = math.prod(f[2] for f in example)
    part = call.part
    if part is not None and part[3] == examples and count in {1, part[2] - part[1]}:
        return replace(made, share=(part[1], part[2]))
    if count == examples:
        return made
    shape = [math.prod(sizes) for sizes in made.sizes]
    if example:
        return replace(made, reason=f"its shape is {shape}, which holds {count} of the {examples} "
                                    "examples")  # fmt: skip
    for kinds in (("repeat",), ("unknown", "learned")):
        if call.learned and kinds[0] == "unknown" and not (call.attends and len(axes) > 3):
            break
        spot = _first(axes, at, examples, kinds)
        if spot is not None:
            said = made.reading
            if kinds[0] == "unknown" and not call.learned:
                said = (
                    "the first axis was taken for that of the examples, which could not be followed"
                )
            names = [list(axis) for axis in made.roles]
            sizes = [list(axis) for axis in made.sizes]
            i, j = spot
            names[i][j : j + 1], rest = [EXAMPLE], sizes[i][j] // examples
            sizes[i][j : j + 1] = [examples] if rest == 1 else [examples, rest]
            if rest > 1:
                names[i].insert(j + 1, HEAD)
            loose = kinds[0] == "unknown" and not call.attends
            if loose and QUERY not in {role for axis in names for role in axis}:
                _last_query(names, at)
            return replace(
                made,
                roles=tuple(map(tuple, names)), sizes=tuple(map(tuple, sizes)), reading=said,
            )  # fmt: skip
    if call.learned:
        return replace(made, common=True)
    return replace(
        made, reason=f"its shape is {shape}, which does not begin with the {examples} examples"
    )


def _last_query(names: list[list[str]], at: int) -> None:
    """Let the axis before the keys count queries, where axes could not be followed."""
    others = [i for i in range(len(names)) if i != at and names[i]]
    if others and names[others[-1]] == [HEAD] and len(others) > 1:
        names[others[-1]] = [QUERY]


def _first(axes: Axes, at: int, examples: int, kinds: Sequence[str]) -> tuple[int, int] | None:
    """Return the axis and factor that may count the examples where none is labelled so."""
    for i, axis in enumerate(axes):
        if i == at or not axis:
            continue
        whole = axis[0][2] % examples == 0 if kinds[0] != "repeat" else axis[0][2] == examples
        if kind_of(axis[0]) in kinds and whole:
            return i, 0
        if kinds[0] != "repeat":
            return None  # only the first axis is taken for granted
    return None


def _as_said(axes: Axes, at: int, examples: int, said: Sequence[str | None]) -> Roles:
    sizes = tuple(tuple(f[2] for f in axis) for axis in axes)
    shape = [math.prod(axis) for axis in sizes]
    if len(said) != len(axes) or said[at] != KEY:
        wanted = ", ".join(repr(role) for role in said)
        return Roles(sizes, (), reason=f"its shape is {shape} with the softmax over axis {at}, "
                                       f"which axes=({wanted}) does not fit")  # fmt: skip
    names = tuple(tuple([role or HEAD] * len(axis)) for role, axis in zip(said, axes, strict=True))
    made = Roles(sizes, names)
    if made.count(EXAMPLE) == examples:
        return made
    if EXAMPLE not in said and examples == 1:
        return made
    return Roles(sizes, names, reason=f"its shape is {shape}, where the axis that is said to hold "
                                      f"the examples does not hold {examples}")  # fmt: skip


def _parted(
    axes: Axes, at: int, use: Any, attends: bool
) -> tuple[dict[tuple[Factor, int], str], str]:
    """Give each factor of each axis its role."""
    keys = axes[at] if axes else ()
    marked = next((f for f in keys if f[0].product is not None), None)
    roles: dict[tuple[Factor, int], str] = {(f, at): KEY for f in keys}
    far: list[tuple[Factor, int]] = []
    rest: list[tuple[Factor, int]] = []
    for i, axis in enumerate(axes):
        for f in axis if i != at else ():
            label = f[0]
            if kind_of(f) == EXAMPLE:
                roles[f, i] = EXAMPLE
            elif marked is None and attends:  # a single key
                far.append((f, i)) if i == len(axes) - 2 else rest.append((f, i))
            elif marked is None:
                rest.append((f, i))
            elif label.product is marked[0].product and label.side != marked[0].side:
                far.append((f, i))
            elif kind_of(f) == "unknown":
                rest.append((f, i))
            else:
                roles[f, i] = HEAD
    product = None if marked is None else marked[0].product
    reading = _queries(far, roles, () if product is None else product.contracted, keys)
    if attends:
        roles.update(dict.fromkeys(rest, HEAD))
        return roles, reading
    if product is not None:
        reading = _of_their_own(keys, roles) or reading
    elif keys and all(kind_of(f) == "tap" for f in keys):
        reading = _others(rest, roles, use)
        return roles, _of_their_own(keys, roles) or reading
    return roles, _others(rest, roles, use) or reading


_SEQUENCES = frozenset(("position", "input"))


def _queries(
    far: list[tuple[Factor, int]],
    roles: dict[tuple[Factor, int], str],
    contracted: Axis,
    keys: Axis,
) -> str:
    """Tell queries from heads among what the queries' side has alone."""
    split = {root(factor)[0] for factor in contracted}
    asked = {root(factor) for factor in keys}  # what is a key is no head where it asks
    sequences = [pair for pair in far if kind_of(pair[0]) in _SEQUENCES or root(pair[0]) in asked]
    loose = [
        pair for pair in far
        if pair not in sequences
        and not (kind_of(pair[0]) == "feature" and root(pair[0])[0] in split)
    ]  # fmt: skip
    for pair in far:
        roles[pair] = HEAD
    if sequences:
        for pair in sequences:
            roles[pair] = QUERY
        return ""
    features = [pair for pair in loose if kind_of(pair[0]) == "feature"]
    if loose and len(features) == len(loose):
        for pair in loose:
            roles[pair] = QUERY
        return ""
    loose = [pair for pair in loose if pair not in features]
    if loose:
        roles[loose[-1]] = QUERY
    if len(loose) > 1:
        beside = [pair for pair in loose if pair[1] == loose[-1][1]]
        if [f[2] for f, _ in beside] == [f[2] for f in keys]:  # a grid, and asked by itself
            roles.update(dict.fromkeys(beside, QUERY))
        return "the last of several axes that only the queries have was taken for the queries"
    return ""


def _of_their_own(keys: Axis, roles: dict[tuple[Factor, int], str]) -> str:
    """Let positions be queries that have keys of their own, as where windows slide over them."""
    parts = sources(keys)
    if QUERY in roles.values() and len({f[0].product for f in parts} - {None}) < 2:
        return ""
    apart = [
        pair for pair, role in roles.items() if role == HEAD and kind_of(pair[0]) in _SEQUENCES
    ]
    if QUERY in roles.values():  # blocks that one product shares are heads, but for its own keys
        asked = {root(f) for f in parts}
        apart = [pair for pair in apart if root(pair[0]) in asked]
    roles.update(dict.fromkeys(apart, QUERY))
    return "each query has keys of its own; they were laid on one axis" if apart else ""


def _others(rest: list[tuple[Factor, int]], roles: dict[tuple[Factor, int], str], use: Any) -> str:
    """Read axes that no product of queries and keys made, by how the weights met the values."""
    sharing = None if use is None else use.sharing
    doubtful = []
    for f, i in rest:
        kind = kind_of(f)
        roles[f, i] = HEAD
        if kind in {"feature", "branch", "repeat"} or sharing is None:
            if kind == "unknown" or (kind in {"learned", "position", "input"} and sharing is None):
                doubtful.append((f, i))
        elif met(sources([f]), sharing.alone):
            roles[f, i] = QUERY
        elif kind == "unknown" and not met(sources([f]), sharing.shared):
            doubtful.append((f, i))
    if doubtful and QUERY not in roles.values():
        roles[doubtful[-1]] = QUERY
        return "the axis before the keys was taken for the queries; it could not be followed"
    return ""


def over_channels(axes: Axes, at: int, use: Any) -> bool:
    """Say whether keys are features or branches, not positions.

    Parameters
    ----------
    axes : tuple of Axis
    at : int
        The keys' axis.
    use : SoftmaxUse, optional

    Returns
    -------
    bool
    """
    keys = axes[at] if axes else ()
    if not keys:
        return False
    kinds = {kind_of(factor) for factor in keys}
    product = next((f[0].product for f in keys if f[0].product is not None), None)
    if product is None:
        values = use.sharing.values if use is not None and use.sharing is not None else ()
        if any(kind_of(f) in _SEQUENCES for f in values):
            return False
        if values and "tap" not in kinds and all(kind_of(f) == "tap" for f in values):
            return True  # of a convolution
        return kinds <= {"feature", "branch"}
    if kinds == {"branch"}:
        # One question at every position, put to its branches: nothing looks at another position.
        others = [f for i, axis in enumerate(axes) for f in axis if i != at]
        asked = {kind_of(f) for f in others if f[0].product is product}
        return asked <= {"learned"} and any(kind_of(f) in _SEQUENCES for f in others)
    summed = {kind_of(factor) for factor in product.contracted}
    if kinds == {"feature"}:
        return bool(summed & _SEQUENCES) and not summed & {"feature"}
    # An input's channels, where whole pictures were compared as they came.
    grid = {root(f)[0] for f in product.contracted[: len(product.contracted) // 2]}
    return kinds | summed == {"input"} and len(grid) > 1
