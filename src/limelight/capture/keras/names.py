"""Names of a Keras model's layers and parameters that stay the same from run to run.

Room: capture, Keras. Comes in: a model. Goes out: a path for each layer, a name for each weight.
Keras numbers unnamed layers over the whole process (``dense_10``), so the second model of a
process would get other names than the first; here they are numbered again among their siblings.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

_WORDS = (re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z])([A-Z])"))


def paths(model: Any) -> dict[int, str]:
    """Name every layer by its path in the model.

    Parameters
    ----------
    model : keras.Layer
        Built or not.

    Returns
    -------
    dict of int to str
        ``id(layer)`` to its path, such as ``encoder/attention``; the model itself is ``""``. A
        layer that is used several times has the first of their paths.
    """
    paths = {id(model): ""}
    _descend(model, "", paths)
    return paths


def parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield each trainable variable once, with its stable name.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    (str, keras.Variable)
        Such as ``encoder/attention/query/kernel``, in the model's own order. A parameter
        that sits on the model itself has no slash.
    """
    trained = list(model.trainable_variables)
    yield from _named(model, trained)


def every_parameter(model: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield every parameter once, with its stable name and whether it is trained.

    Parameters
    ----------
    model : keras.Layer

    Yields
    ------
    (str, keras.Variable, bool)
        In the order the model would have them if nothing were frozen; a layer's own state, such
        as running averages, is no parameter.
    """
    order = list(model.trainable_variables)
    trained = {id(variable) for variable in order}
    every: dict[int, Any] = {}
    layers = []
    for layer in model._flatten_layers():
        layers.append(str(layer.name))
        every |= {id(variable): variable for variable in layer._trainable_variables}
    if every.keys() <= trained:  # in the order of earlier recordings
        every = {id(variable): variable for variable in order}
    variables = list(every.values())
    for name, variable in zip(_names(model, variables, layers), variables, strict=True):
        yield name, variable, id(variable) in trained


#: Names of a model's parameters, and what they were given for: finding them takes longer than
#: reading the parameters does.
_known: WeakKeyDictionary[Any, tuple[list[Any], list[str], list[str]]] = WeakKeyDictionary()


def _names(model: Any, variables: list[Any], layers: list[str]) -> list[str]:
    """Return the names of variables, found anew only where the model has others or was changed."""
    before, among, names = _known.get(model, ([], [], []))
    same = len(before) == len(variables) and all(map(operator.is_, before, variables))
    if not (same and among == layers):
        names = [name for name, _ in _named(model, variables)]
        _known[model] = variables, layers, names
    return names


def _named(model: Any, wanted: list[Any]) -> Iterator[tuple[str, Any]]:
    """Name variables by the layers that hold them."""
    owners = _owners(model, {id(variable) for variable in wanted})
    taken: set[str] = set()
    inside: dict[str, list[Any]] = {}
    for variable in wanted:
        inside.setdefault(owners.get(id(variable), ""), []).append(variable)
    numbered: dict[int, str] = {}
    for siblings in inside.values():
        names = _number([(str(v.name), "variable") for v in siblings])
        numbered |= {id(v): name for v, name in zip(siblings, names, strict=True)}
    for variable in wanted:
        name = f"{owners.get(id(variable), '')}/{numbered[id(variable)]}".lstrip("/")
        name = _free(name, taken)
        taken.add(name)
        yield name, variable


def name_of(layer: Any) -> str:
    """Return a layer's name without the number Keras gave it.

    Parameters
    ----------
    layer : keras.Operation

    Returns
    -------
    str
    """
    return _number([(str(layer.name), _snake(type(layer).__name__))])[0]


def children(layer: Any) -> list[Any]:
    """Return the layers directly inside one, in the order they were attached.

    Parameters
    ----------
    layer : keras.Layer

    Returns
    -------
    list of keras.Layer
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _descend(layer: Any, path: str, paths: dict[int, str]) -> None:
    inside = children(layer)
    names = _number([(str(child.name), _snake(type(child).__name__)) for child in inside])
    for child, name in zip(inside, names, strict=True):
        if id(child) not in paths:
            paths[id(child)] = f"{path}/{name}".lstrip("/")
            _descend(child, paths[id(child)], paths)


def _owners(model: Any, wanted: set[int]) -> dict[int, str]:
    """Return the path of the innermost layer that holds each of some variables."""
    owners: dict[int, str] = {}
    named = paths(model)

    def visit(layer: Any, seen: set[int]) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        for variable in layer.variables:
            if id(variable) not in wanted:
                continue
            owners[id(variable)] = named[id(layer)]
        for child in children(layer):
            visit(child, seen)

    visit(model, set())
    return owners


def _number(siblings: list[tuple[str, str]]) -> list[str]:
    """Number siblings again where their name is Keras' own: the kind's name and a counter.

    Parameters
    ----------
    siblings : list of (str, str)
        Name, and the kind's name as Keras would write it.
    """
    counters: dict[str, list[int]] = {}
    parsed: list[tuple[str, int | None]] = []
    for name, kind in siblings:
        # ``Bidirectional`` puts a word before the name of the layer it wraps.
        match = re.fullmatch(rf"((?:forward_|backward_)?{re.escape(kind)})(?:_(\d+))?", name)
        base, number = (match[1], int(match[2] or 0)) if match else (name, None)
        parsed.append((base, number))
        if number is not None:
            counters.setdefault(base, []).append(number)
    taken: set[str] = set()
    names = []
    for base, number in parsed:
        rank = 0 if number is None else sorted(set(counters[base])).index(number)
        name = _free(base if rank == 0 else f"{base}_{rank}", taken)
        taken.add(name)
        names.append(name)
    return names


def _free(name: str, taken: set[str]) -> str:
    """Return the name, numbered on if a sibling has it already."""
    candidate, number = name, 1
    while candidate in taken:
        candidate = f"{name}_{number}"
        number += 1
    return candidate


@cache
def _snake(name: str) -> str:
    """Spell a class name as Keras spells the names it makes of it."""
    name = re.sub(r"\W+", "", name)
    for pattern in _WORDS:
        name = pattern.sub(r"\1_\2", name)
    return name.lower()
