"""Which line of a model's code runs, so that the steps of one loop are known as one line.

Room: capture, torch. Comes in: a module that is running. Goes out: a number that is the same
whenever the same instruction was reached by the same chain of calls from that module.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

#: Frames of these files come and go with hooks and modes, whatever the model does.
_OURS = str(Path(__file__).parents[2])


@cache
def _torchs() -> tuple[Any, str]:
    """Return the code by which torch calls a module, and the folder of torch's own files."""
    import torch

    return torch.nn.Module._call_impl.__code__, str(Path(torch.__file__).parent)


def line_of(module: Any) -> int:
    """Return a number for the instruction that runs, and for all that led to it.

    Parameters
    ----------
    module : torch.nn.Module
        One that is running; what called it does not count.

    Returns
    -------
    int
        Good for comparing only.
    """
    call, torchs = _torchs()
    steps = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code is call and frame.f_locals.get("self") is module:
            break
        if not code.co_filename.startswith((_OURS, torchs)):
            steps.append((code.co_filename, code.co_firstlineno, frame.f_lasti))
        frame = frame.f_back
    return hash(tuple(steps))
