"""What becomes of a head's contribution under a gate, in Keras on any backend.

Room: capture, Keras. Contributions are [example, …, head, feature], or [example, query, feature]
of a layer with one head; where only weights are seen, they are [example, head, query, key].
"""

from __future__ import annotations

from typing import Any

from limelight.capture.gating.gates import Gates
from limelight.errors import GateError


class Blend:
    """Changes contributions.

    Parameters
    ----------
    gates : Gates
    only_look : bool
        Keep what contributions are, and change nothing.
    """

    def __init__(self, gates: Gates, only_look: bool = False) -> None:
        self._gates = gates
        self._only_look = only_look
        self._own: dict[str, Any] = {}
        self._kept: dict[str, Any] | None = {} if gates.reference is None else None

    @property
    def waiting(self) -> bool:
        """Whether the reference was not run yet."""
        return self._kept is None and not self._only_look

    @property
    def replaces(self) -> bool:
        """Whether contributions are needed, so that weights will not do."""
        return self._gates.replace is not None

    def keep(self, other: Blend) -> None:
        """Take what another looked at as the reference's contributions.

        Parameters
        ----------
        other : Blend
        """
        self._kept = dict(other._own)

    def __call__(self, site: str, heads: int, own: Any, features: bool) -> Any:
        """Return ``gate · own + (1 − gate) · other``.

        Parameters
        ----------
        site : str
        heads : int
        own : tensor
        features : bool
            Whether these are contributions; else they are weights.

        Returns
        -------
        tensor
        """
        from keras import ops

        if self._only_look:
            self._own[site] = own
            return own
        gates = ops.cast(_laid_out(self._strengths(site, heads), heads, own, features), own.dtype)
        if self._gates.replace is None:
            return own * gates
        other = self._other(site, own, heads)
        return own * gates + (1 - gates) * ops.cast(other, own.dtype)

    def _strengths(self, site: str, heads: int) -> Any:
        """Return the gates [example or 1, head]."""
        from keras import ops

        gates = ops.ones((1, heads), "float32")
        for piece in self._gates.sites[site]:
            value = ops.convert_to_tensor(piece.value)
            value = value if "float" in str(value.dtype) else ops.cast(value, "float32")
            if piece.each_head:
                gates = value if len(value.shape) == 2 else value[None]
                continue
            places = set(piece.places(heads))
            meant = ops.convert_to_tensor([[head in places for head in range(heads)]])
            wide = ops.reshape(value, (-1, 1)) if len(value.shape) else value
            gates = ops.where(meant, ops.cast(wide, gates.dtype), gates)
        return gates

    def _other(self, site: str, own: Any, heads: int) -> Any:
        from keras import ops

        kept = (self._kept or {}).get(site)
        shown = own if kept is None else kept
        if self._gates.replace == "mean":
            # Attention of one head has no axis for it.
            axes = tuple(range(len(shown.shape) - 1 - (heads > 1 or len(shown.shape) > 3)))
            return ops.mean(shown, axis=axes, keepdims=True)
        if kept is None:
            if shown.shape[0] == 1:
                raise GateError(
                    "Got a batch of one example for replace='sample'.",
                    "Wanted another example to take a sample from.",
                    "Give a larger batch, or a reference.",
                )
            return ops.roll(own, -1, axis=0)
        if tuple(kept.shape[1:]) != tuple(own.shape[1:]):
            raise GateError(
                f"Got a reference with {tuple(kept.shape)} at {site!r} for {tuple(own.shape)}.",
                "Wanted as many positions, since samples are taken position by position.",
                "Pad the reference to the length of the inputs.",
            )
        rows = ops.arange(ops.shape(own)[0]) % kept.shape[0]
        return ops.take(kept, rows, axis=0)


def _laid_out(gates: Any, heads: int, own: Any, features: bool) -> Any:
    """Bring gates [example, head] to the axes of what they gate."""
    from keras import ops

    rank = len(own.shape)
    examples = gates.shape[0]
    batch = own.shape[0]
    if examples not in {1, None} and batch is not None and batch != examples:
        raise GateError(
            f"Got gates for {examples} examples, where the model attends in {batch}.",
            "Wanted one for each example of the batch.",
            "Give gates of the batch's own length.",
        )
    if heads == 1:
        return ops.reshape(gates, (-1, *[1] * (rank - 1)))
    if features:
        return ops.reshape(gates, (-1, *[1] * (rank - 3), heads, 1))
    between = [int(size) for size in own.shape[1:-2]]
    product = 1
    for size in between:
        product *= size
    if product != heads:
        raise GateError(
            f"Got weights of shape {tuple(own.shape)} of {heads} heads.",
            "Wanted [example, head, query, key].",
            "Let the layer use ops.dot_product_attention.",
        )
    return ops.reshape(gates, (-1, *between, 1, 1))
