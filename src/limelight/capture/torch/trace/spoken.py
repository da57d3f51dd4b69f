"""Which ids the positions of a softmax stand for: those that a module around it was called with.

Room: capture, torch. Comes in: the call that a softmax runs in, and what its queries are made of.
Goes out: ids, also where the model made them itself: a decoder's, and every word it generates.
"""

from __future__ import annotations

import inspect
from typing import Any

from limelight.capture.torch.intercept.modes import Call
from limelight.capture.torch.trace.tracking import ProvenanceTracker
from limelight.capture.wording import Ids

# Arguments of whole numbers with such words in their names are no words.
_BESIDE = ("mask", "position", "type", "segment", "label", "cache", "past", "length", "index")


class SpokenIds:
    """Finds the ids of positions.

    Parameters
    ----------
    tracker : ProvenanceTracker
    examples : int
    """

    def __init__(self, tracker: ProvenanceTracker, examples: int) -> None:
        self._tracker = tracker
        self._examples = examples
        # A call is held with them, so that no other gets its number.
        self._known: dict[int, tuple[Call, list[tuple[frozenset[object], Ids]]]] = {}

    def of(self, call: Call | None, origin: frozenset[object]) -> Ids | None:
        """Return the ids of positions; None where nothing around them was called with such.

        Parameters
        ----------
        call : Call or None
            That a softmax runs in.
        origin : frozenset
            Of its queries.

        Returns
        -------
        Ids or None
        """
        while call is not None:
            for source, ids in self._within(call):
                if source & origin:
                    return ids
            call = call.parent
        return None

    def _within(self, call: Call) -> list[tuple[frozenset[object], Ids]]:
        if id(call) not in self._known:
            self._known[id(call)] = (call, [
                (self._tracker.of(tensor).origin, Ids(name, tensor.detach().cpu().numpy().copy()))
                for name, tensor in self._arguments(call)
            ])  # fmt: skip
        return self._known[id(call)][1]

    def _arguments(self, call: Call) -> list[tuple[str, Any]]:
        """Return the arguments of a call that may be words, by name, ``input_ids`` first."""
        given: list[tuple[str, Any]] = [*call.kwargs.items()]
        if any(map(self._may_be_words, call.args)):
            given = [*zip(_names(call.module, len(call.args)), call.args, strict=False), *given]
        words = [
            (name, tensor)
            for name, tensor in given
            if self._may_be_words(tensor) and not any(part in name for part in _BESIDE)
        ]
        return sorted(words, key=lambda pair: not pair[0].endswith("input_ids"))

    def _may_be_words(self, value: Any) -> bool:
        import torch

        return (
            isinstance(value, torch.Tensor)
            and value.dim() == 2
            and value.shape[0] == self._examples
            and value.dtype in {torch.int32, torch.int64, torch.int16, torch.uint8}
        )


def _names(module: Any, count: int) -> list[str]:
    try:
        names = list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        names = []
    return [*names[:count], *[""] * (count - len(names))]
