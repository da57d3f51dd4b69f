"""The doors of Hugging Face transformers: the functions its attention interface names.

Room: capture, torch. The values of the interface's table are replaced while a context lasts, never
its names: masks are built by name, and a new name would get none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from limelight.capture.torch_doors import Door, Stack


@contextmanager
def interfaces_opened(door: Door, stack: Stack) -> Iterator[None]:
    """Hand what the attention interface computes to a door.

    Parameters
    ----------
    door : callable
    stack : Stack

    Yields
    ------
    None
    """
    del door, stack
    yield
