"""Says where the heads of each softmax of a Keras model lie, so that gates act on them.

Room: capture, Keras. Comes in: a trace and its sites. Goes out: for each layer, what each of its
softmaxes is, in the order they run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.axes.weighing import MASKED
from limelight.capture.keras.recognise.attention import Recogniser, Site
from limelight.capture.keras.recognise.naming import path_of, roles_of
from limelight.capture.keras.recognise.steps import Group
from limelight.capture.keras.trace import Trace

#: For each axis of a softmax, what it is made of: roles and sizes, the slowest first.
Axes = tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True)
class Layout:
    """One softmax of a layer.

    Attributes
    ----------
    site : str
        Empty where it is no attention.
    axes : tuple
        Roles and sizes of what each axis of its output is made of.
    example : int, optional
        Which example it is of, where it is of one alone.
    stage : str
        What is done to its weights that heads do not go through one by one.
    kind : str
        What the site is.
    how : str
        What it is beside the site's other softmaxes, as in :class:`Group`; ``earlier`` where its
        queries are asked again afterwards.
    whole : (int, int)
        How many queries and keys all of them have together.
    """

    site: str
    axes: Axes = ()
    example: int | None = None
    stage: str = ""
    kind: str = ""
    how: str = "steps"
    whole: tuple[int, int] = (0, 0)

    @property
    def roles(self) -> tuple[str, ...]:
        """What each axis counts, where it is the example, head, query or key, and no two alike."""
        roles = tuple(axis[0][0] if len(axis) == 1 else "" for axis in self.axes)
        names = {"example", "query", "key"}
        whole = len(set(roles)) == len(roles) and set(roles) - {"head"} == names
        return roles if self.example is None and whole else ()


def layouts(
    model: Any, trace: Trace, recogniser: Recogniser, groups: Sequence[tuple[str, Group]]
) -> dict[str, list[Layout]]:
    """Say of every softmax that ran where its heads lie.

    Parameters
    ----------
    model : keras.Layer
    trace : Trace
    recogniser : Recogniser
    groups : sequence of (str, Group)
        The sites.

    Returns
    -------
    dict of str to list of Layout
        Paths of layers, to their softmaxes in the order they ran.
    """
    sites: dict[int, tuple[str, Site, str, tuple[int, int]]] = {}
    for name, group in groups:
        whole = _whole(group)
        for how, members in (("earlier", group.earlier), (group.how, group.sites)):
            sites.update({id(s.softmax_call): (name, s, how, whole) for s in members})
    rows: dict[str, list[Layout]] = {}
    for softmax_call in trace.softmaxes:
        path = path_of(model, recogniser, softmax_call)
        known = sites.get(id(softmax_call))
        rows.setdefault(path, []).append(Layout("") if known is None else _layout(*known))
    return rows


def _whole(group: Group) -> tuple[int, int]:
    """Return how many queries and keys the softmaxes of a site have together."""
    sizes = [(_size(site, "query"), _size(site, "key")) for site in group.sites]
    asked = [queries for queries, _ in sizes]
    return (sum(asked) if group.how in ("steps", "growing") else max(asked),
            max(keys for _, keys in sizes))  # fmt: skip


def _size(site: Site, role: str) -> int:
    parts = [part for axis in _axes(site) for part in axis]
    return math.prod(size for name, size in parts if name == role)


def _layout(name: str, site: Site, how: str, whole: tuple[int, int]) -> Layout:
    reading = site.reading
    stages = () if reading is None or reading.use is None else reading.use.stages
    others = [stage for stage in stages if stage != MASKED]
    example = reading.example if reading is not None and how == "examples" else None
    return Layout(name, _axes(site), example, " and ".join(others), site.kind, how, whole)


def _axes(site: Site) -> Axes:
    reading, course = site.reading, site.softmax_call.course
    shape = [int(size) for size in site.softmax_call.weights.shape]
    moved = tuple(range(len(shape))) if course is None else course.moved
    rows: list[list[tuple[str, int]]] = [[] for _ in shape]
    if reading is not None and course is not None:
        roles = iter(reading.roles)
        for index, axis in zip(moved, course.axes, strict=True):
            rows[index] = [(next(roles), factor.size) for factor in axis]
    else:
        for index, role, size in zip(moved, roles_of(site, len(shape)), shape, strict=True):
            rows[index] = [(role or "head", size)]
    return tuple(map(tuple, rows))
