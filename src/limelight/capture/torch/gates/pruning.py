"""Being built.

Room: capture, torch.
"""

from __future__ import annotations

from typing import Any

from limelight.errors import UnsupportedModelError


def prune(model: Any, *_: Any) -> Any:  # noqa: ARG001
    """Refuse."""
    raise UnsupportedModelError("Got a torch model.", "Wanted another.", "Wait.")
