"""Joins the softmaxes of a Keras forward pass that are one site.

Room: capture, Keras. Comes in: softmaxes that are attention, with their paths, in the order they
ran. Goes out: groups of them. The steps of a loop over time are one site: each asks the same memory
once more. So are the calls of a layer for each example by itself. A layer that is used again and
again on the same positions has a site for each use. Where a decoder remembers what it has been
shown, each step asks what the step before asked and what is new: that is self-attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import numpy as np

from limelight.capture.keras.backends.backend import backend, single
from limelight.capture.keras.listen.arguments import loop_around
from limelight.capture.keras.recognise.attention import Site
from limelight.capture.keras.trace import Softmax

#: What several softmaxes of a site are: queries, one step after another, or examples; ``alike`` is
#: a single one that all examples share; ``growing`` are steps, each with more keys than the last.
How = Literal["steps", "examples", "alike", "growing"]


@dataclass(eq=False)
class Group:
    """The softmaxes of one site.

    Attributes
    ----------
    sites : list of Site
    how : str
    earlier : list of Site
        Softmaxes that the first of ``sites`` asked again, and more.
    trials : list of Site
        Calls that Keras made only to learn a cell's output.
    """

    sites: list[Site] = field(default_factory=list)
    how: How = "steps"
    earlier: list[Site] = field(default_factory=list)
    trials: list[Site] = field(default_factory=list)


def grouped(
    sites: Sequence[tuple[str, Site]], examples: int, single_values: Sequence[Softmax] = ()
) -> list[tuple[str, Group]]:
    """Join softmaxes that are one site.

    Parameters
    ----------
    sites : sequence of (str, Site)
    examples : int
        How many ran.
    single_values : sequence of Softmax
        Those over a single value: a decoder's first step, if it remembers what it was shown.

    Returns
    -------
    list of (str, Group)
        In the order they began. Calls for single examples are left out where not each has one.
    """
    groups: list[tuple[str, Group]] = []
    open_groups: dict[tuple[str, int, How], list[Group]] = {}
    for path, site in sites:
        how: How = "steps"
        if site.reading is not None:
            apart = _example(site) >= 0 and examples > 1
            how = "examples" if apart else "alike" if site.reading.alike else "steps"
        loop = loop_around(site.owner)
        key = path, (site.softmax_call.line if loop is None else id(loop)), how
        group = next((g for g in open_groups.get(key, []) if _goes_on(g, site)), None)
        if group is None:
            group = Group([], how)
            groups.append((path, group))
            open_groups.setdefault(key, []).append(group)
        if group.sites and _grows(group.sites[-1], site):
            group.how = "growing"
        elif group.sites and group.how == "steps" and _queries(site) > _queries(group.sites[-1]):
            group.earlier += group.sites
            group.sites.clear()
        group.sites.append(site)
    for _, group in groups:
        _drop_trial(group)
        if group.how == "examples":
            group.sites.sort(key=_example)
        elif group.how == "growing":
            _begin(group, single_values)
    return [(path, g) for path, g in groups if g.how != "examples" or len(g.sites) == examples]


def _example(site: Site) -> int:
    """Return which example a softmax is of, where it is of one alone."""
    example = None if site.reading is None else site.reading.example
    return -1 if example is None else example


def _goes_on(group: Group, site: Site) -> bool:
    """Say whether a softmax is one more step, or one more example, of a group."""
    last = group.sites[-1]
    if group.how == "alike" or last.softmax_call is site.softmax_call:
        return False
    if _grows(last, site) or group.how == "growing":
        return _grows(last, site)
    if group.how == "examples":
        numbers = {_example(member) for member in group.sites}
        return _example(site) not in numbers and _form(last) == _form(site)
    loop = loop_around(site.owner)
    if loop is not None:
        return site.kind == "pooling" and last.kind == "pooling"
    if _queries(site) == _queries(last) == 1:
        return _same_memory(last, site)
    # Written word by word without a cache: each call asks all queries so far, and one more.
    grown = len(group.sites) == 1 and _queries(site) > _queries(last)
    itself = _queries(site) == _keys(site) and _queries(last) == _keys(last)
    return grown and (itself or _same_memory(last, site))


def _grows(first: Site, second: Site) -> bool:
    """Say whether a softmax asks what another asked, and its own queries after that."""
    queries, keys = _queries(second), _keys(first)
    if not keys or _keys(second) != keys + queries:
        return False
    rest = [prod(_form(site)) // (_queries(site) * _keys(site)) for site in (first, second)]
    before, after = _values(first), _values(second)
    if before is None or after is None or rest[0] != rest[1]:
        return False
    if len(before.shape) != len(after.shape):
        return False
    grown = [a for a, pair in enumerate(zip(before.shape, after.shape, strict=True))
             if pair[0] != pair[1]]  # fmt: skip
    if len(grown) != 1 or after.shape[grown[0]] - before.shape[grown[0]] != queries:
        return False
    known = single(after).take(range(int(before.shape[grown[0]])), axis=grown[0])
    return bool(np.allclose(known, single(before), rtol=1e-3, atol=1e-5))


def _begin(group: Group, single_values: Sequence[Softmax]) -> None:
    """Read growing steps as self-attention, beginning with one that has itself to ask alone."""
    group.sites[:] = [replace(site, kind="self") for site in group.sites]
    first = group.sites[0]
    if first.reading is None or _queries(first) != 1 or _keys(first) != 2:
        return
    roles = tuple(role for role in first.reading.roles if role != "key")
    for softmax in single_values:
        fits = softmax.course is not None and len(softmax.course.factors) == len(roles)
        if fits and softmax.line == first.softmax_call.line:
            reading = replace(first.reading, roles=roles, use=None)
            group.sites.insert(0, replace(first, softmax_call=softmax, reading=reading))
            return


def _form(site: Site) -> tuple[int, ...]:
    return tuple(int(size) for size in site.softmax_call.weights.shape)


def _queries(site: Site) -> int:
    """Return how many queries a softmax has."""
    if site.reading is None:
        return 1 if site.kind == "pooling" else 2
    return _count(site, "query")


def _keys(site: Site) -> int:
    return _count(site, "key")


def _count(site: Site, role: str) -> int:
    course, reading = site.softmax_call.course, site.reading
    if course is None or reading is None:
        return 0
    pairs = zip(course.factors, reading.roles, strict=True)
    return prod(factor.size for factor, name in pairs if name == role)


def _same_memory(first: Site, second: Site) -> bool:
    """Say whether two softmaxes weigh the same values, or the second's go on from the first's."""
    first_values, second_values = _values(first), _values(second)
    if first_values is None or second_values is None:
        return False
    if first_values is second_values:
        return True
    if tuple(first_values.shape) != tuple(second_values.shape):
        return False
    return bool(np.array_equal(single(first_values), single(second_values)))


def _values(site: Site) -> Any:
    """Return what a softmax's weights are multiplied with."""
    use = None if site.reading is None else site.reading.use
    return None if use is None else use.values


def _drop_trial(group: Group) -> None:
    """Drop the call that Keras makes before the first step, only to learn a cell's output."""
    loop = loop_around(group.sites[0].owner)
    if loop is None or group.how != "steps" or len(group.sites) < 2:
        return
    shapes = {_form(site) for site in group.sites}
    if backend().TRIES_A_STEP and not loop.operation.unroll and len(shapes) == 1:
        group.trials.append(group.sites.pop(0))
