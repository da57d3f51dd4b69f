"""Keeps a pass from leaving traces in a torch model.

Room: capture, torch. Comes in: a model. Goes out: the same model, in inference mode meanwhile,
whatever its modules did to their buffers, to their attributes, or to the sources of randomness.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Run in inference mode without gradients, and put everything back, also after an error.

    Modules keep their own training flags. Buffers are compared and put back where they changed;
    so is what a module keeps in attributes, lists and dicts of its own.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    None
    """
    import torch

    modules = list(model.modules())
    attributes_before = [_attributes(module) for module in modules]
    training = [module.training for module in modules]
    buffers = [(buffer, _version(buffer), buffer.detach().clone()) for buffer in model.buffers()]
    randomness = _randomness()
    try:
        for module in modules:
            module.training = False  # eval() may be overridden, to merge parameters for instance
        with torch.no_grad():
            yield
    finally:
        _restore_randomness(randomness)
        for module, flag in zip(modules, training, strict=True):
            module.training = flag
        for module, (attributes, contents) in zip(modules, attributes_before, strict=True):
            _restore(module.__dict__, attributes)
            for container, before in contents:
                _restore_contents(container, before)
        with torch.no_grad():
            for buffer, version, before in buffers:
                if _version(buffer) != version or version is None:
                    buffer.copy_(before)


def _attributes(module: Any) -> tuple[dict[str, Any], list[tuple[Any, Any]]]:
    """Return a module's attributes, and what the containers among them hold."""
    attributes = dict(module.__dict__)
    contents = [
        (value, type(value)(value) if type(value) is not deque else deque(value, value.maxlen))
        for value in attributes.values()
        if type(value) in {list, set, deque, dict} or type(value).__name__ == "OrderedDict"
    ]
    return attributes, contents


def _restore(now: dict[str, Any], before: dict[str, Any]) -> None:
    for name in [name for name in now if name not in before]:
        del now[name]
    for name, value in before.items():
        if name not in now or now[name] is not value:
            now[name] = value


def _restore_contents(container: Any, before: Any) -> None:
    if not container and not before:
        return  # nearly all of a model's thousands
    if isinstance(container, MutableMapping):
        same = container.keys() == before.keys() and all(
            container[name] is value for name, value in before.items()
        )
    else:
        same = len(container) == len(before) and (
            container == before
            if isinstance(container, set)
            else all(now is then for now, then in zip(container, before, strict=True))
        )
    if same:
        return
    container.clear()
    if isinstance(container, (MutableMapping, set)):
        container.update(before)
    else:
        container.extend(before)


def _version(tensor: Any) -> int | None:
    """Return how often a tensor was written to; None where torch does not count."""
    return None if tensor.is_inference() else int(tensor._version)


def _randomness() -> tuple[Any, ...]:
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda  # noqa: NPY002


def _restore_randomness(state: tuple[Any, ...]) -> None:
    import torch

    python, numpy, cpu, cuda = state
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
