"""Where a tensor of a Keras forward pass came from.

Room: capture, Keras. Comes in: a :class:`~limelight.capture.keras.trace.Trace`. Goes out:
answers such as "do these two tensors speak of the same positions".
"""

from __future__ import annotations

from typing import Any

from limelight.capture.keras.listen.arguments import tensors, within
from limelight.capture.keras.trace import Call, Trace

# A chain longer than this is no chain of projections any more.
_FAR = 12


class ProvenanceTracker:
    """Finds the way back from a tensor through one forward pass.

    Parameters
    ----------
    trace : Trace
    inputs : list of tensor
        What the model was called with.
    """

    def __init__(self, trace: Trace, inputs: list[Any]) -> None:
        self._trace = trace
        self._inputs = {id(tensor): index for index, tensor in enumerate(inputs)}
        self._makers: dict[int, Call] = {}
        for call in trace.calls:
            for tensor in tensors(call.outputs):
                known = self._makers.get(id(tensor))
                # A model and its last layer return the same tensor: the inner one made it.
                if known is None or within(call, known):
                    self._makers[id(tensor)] = call

    def made_by(self, tensor: Any) -> Call | None:
        """Return the innermost call that returned a tensor, looking through rearrangements."""
        for _ in range(_FAR):
            maker = self._makers.get(id(tensor))
            if maker is not None or id(tensor) not in self._trace.same:
                return maker
            tensor = self._trace.same[id(tensor)]
        return None

    def same_positions(self, first: Any, second: Any) -> bool:
        """Say whether two tensors are one, or projections of one, position by position."""
        return bool(self._way_back(first) & self._way_back(second))

    def sources(self, tensor: Any) -> tuple[frozenset[int], bool]:
        """Return which of the model's inputs a tensor is made of, and whether that is all known."""
        indices: set[int] = set()
        known, seen, left = True, set(), [tensor]
        while left:
            here = left.pop()
            if id(here) in seen:
                continue
            seen.add(id(here))
            maker = self._makers.get(id(here))
            if id(here) in self._inputs:
                indices.add(self._inputs[id(here)])
            elif maker is not None:
                left += [t for t in tensors((maker.args, maker.kwargs)) if t is not here]
            elif id(here) in self._trace.same:
                left.append(self._trace.same[id(here)])
            else:
                known = False
        return frozenset(indices), known

    def behind(self, tensor: Any, through: tuple[type, ...]) -> Call | None:
        """Return the call that made a tensor, not counting calls of the given classes."""
        for _ in range(_FAR):
            maker = self.made_by(tensor)
            if maker is None or not isinstance(maker.operation, through):
                return maker
            fed = [t for t in tensors((maker.args, maker.kwargs)) if t is not tensor]
            if len(fed) != 1:
                return maker
            tensor = fed[0]
        return None

    def _way_back(self, tensor: Any) -> set[int]:
        """Return the ids met going back as long as positions stay what they are."""
        met = {id(tensor)}
        for _ in range(_FAR):
            maker = self._makers.get(id(tensor))
            if maker is not None and isinstance(maker.operation, _position_wise()):
                fed = [t for t in tensors((maker.args, maker.kwargs)) if id(t) not in met]
                if len(fed) != 1:
                    break
                tensor = fed[0]
            elif maker is None and id(tensor) in self._trace.same:
                tensor = self._trace.same[id(tensor)]
            else:
                break
            met.add(id(tensor))
        return met


def _position_wise() -> tuple[type, ...]:
    import keras

    layers = keras.layers
    return (
        layers.Dense,
        layers.EinsumDense,
        layers.LayerNormalization,
        layers.BatchNormalization,
        layers.RMSNormalization,
        layers.Dropout,
        layers.Activation,
        layers.Masking,
        layers.Rescaling,
    )
