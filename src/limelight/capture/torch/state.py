"""Keeps a pass from leaving traces in a torch model.

Room: capture, torch. Comes in: a model. Goes out: the same model, in inference mode meanwhile,
whatever its modules, or anything that they can reach, did to parameters, buffers, attributes, or
to the sources of randomness.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from limelight.capture.reachable import Memory
from limelight.capture.torch.tensors import Tensors


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Run in inference mode without gradients, and put everything back, also after an error.

    Modules keep their own training flags. Tensors are put back by value where they changed, in the
    memory where they were; so is what a module can reach: its attributes, lists and dicts, objects
    of its own, generators of random numbers, arrays.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    None

    Raises
    ------
    UnsupportedModelError
        If something changed that cannot be put back.
    """
    import torch

    tensors = Tensors(model)
    memory = Memory(tensors.leaf)
    randomness = _randomness()
    try:
        memory.note(model, "")
        for name, buffer in model.named_buffers():  # a script's are in none of its attributes
            memory.note(buffer, name)
        for module in model.modules():
            module.training = False  # eval() may be overridden, to merge parameters for instance
        with torch.no_grad(), tensors.guarded():
            yield
    finally:
        try:
            _restore_randomness(randomness)
        finally:
            with torch.no_grad():
                memory.restore()


def _randomness() -> tuple[Any, ...]:
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    numbers = torch.get_rng_state(), cuda, torch.get_default_dtype()
    return random.getstate(), np.random.get_state(), *numbers  # noqa: NPY002


def _restore_randomness(state: tuple[Any, ...]) -> None:
    import torch

    python, numpy, cpu, cuda, default = state
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    torch.set_rng_state(cpu)
    torch.set_default_dtype(default)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
