"""Changes what single heads contribute, while a context lasts.

Room: capture. Comes in: a live model, and how strong each head shall be. Goes out: a context in
which the model computes just that. Knows no framework; the adapter of the model's own does the
work.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from limelight.capture.adapter import adapter_for
from limelight.errors import GateError, UnsupportedModelError

#: What stands in for a head's contribution as its gate closes.
Replace = Literal["mean", "sample"] | None


@dataclass(frozen=True, eq=False)
class Piece:
    """A gate of some heads of one site.

    Attributes
    ----------
    heads : int, slice, sequence of int, or None
        None is all of them.
    value : float or tensor
        One number, or one for each example; with ``each_head``, [head] or [example, head].
    each_head : bool
    """

    heads: int | slice | Sequence[int] | None
    value: Any
    each_head: bool = False

    def places(self, heads: int) -> list[int]:
        """Return the indices of the heads that are meant, of so many."""
        if self.heads is None:
            return list(range(heads))
        if isinstance(self.heads, slice):
            return list(range(heads))[self.heads]
        return [self.heads] if isinstance(self.heads, int) else list(self.heads)


@dataclass(frozen=True, eq=False)
class Gates:
    """Gates for one model, read but not yet checked against it.

    Attributes
    ----------
    sites : dict of str to tuple of Piece
        A later piece wins where two mean the same head.
    replace : ``mean``, ``sample`` or None
    reference : object, optional
        Inputs that means or samples are taken from.
    """

    sites: dict[str, tuple[Piece, ...]]
    replace: Replace = None
    reference: Any = None

    def check(self, known: Mapping[str, int]) -> None:
        """Raise an error if a site or head is not there.

        Parameters
        ----------
        known : mapping of str to int
            Every site of the model, and how many heads it has.
        """
        for site, pieces in self.sites.items():
            if site not in known:
                raise GateError(
                    f"Got a gate for {site!r}, which is no attention site of this model.",
                    f"Its sites and their numbers of heads: {_listed(known)}.",
                    "Name one of these, as limelight.capture does.",
                )
            for piece in pieces:
                _check_heads(site, piece, known[site])


@contextmanager
def gate(
    model: Any,
    gates: Mapping[Any, Any],
    *,
    replace: Replace = None,
    reference: Any = None,
) -> Iterator[None]:
    """Scale, silence or replace what single heads contribute, while the context lasts.

    A head's contribution is its weighted values, before the output projection. It becomes
    ``gate · own + (1 − gate) · other``. A gate of one everywhere leaves every bit as it was.

    On the first call inside, the model is run on the same inputs twice more: to find its sites,
    and to test that silencing the named heads reaches the model. Later contexts of the same model
    trust that, and only check that each named site ran. Nothing stays behind afterwards, also
    after an exception.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
        Called as usual inside the context.
    gates : mapping
        From ``(site, head)``, ``(site, heads)`` (a range, a tuple, or from Python 3.12 a slice) or
        ``(site, None)`` (all heads) to a number, a 0-d tensor, or a tensor [example]: a gate for
        each example. Or from ``site`` to a tensor [head] or [example, head]. Sites bear the names
        that :func:`limelight.capture` gives them. Gradients flow to tensors. A later entry wins.
    replace : ``"mean"``, ``"sample"``, optional
        What ``other`` is: zero; the head's mean over examples and positions (padding included);
        or its contribution in another example, at the same position.
    reference : inputs, optional
        What means and samples are taken from, run through the model ungated when first needed.
        Example ``i`` gets the sample of the reference's example ``i``, counted round. Without it
        the batch itself is used, and example ``i`` gets the sample of example ``i + 1``.

    Yields
    ------
    None

    Raises
    ------
    GateError
        On the first call, if a site or head is not there (all that are get listed), or gating does
        not reach the model; at the end, if a named site never ran.
    UnsupportedModelError
        If no adapter knows the model.

    Notes
    -----
    What ``torch.compile``, ``tf.function`` or ``jax.jit`` compiled runs uncompiled inside, as do
    ``fit`` and ``predict`` of Keras; fused inference paths of ``torch.nn`` are off. So rounding may
    differ from that outside. If a torch model recomputes activations in the backward pass, run
    that pass inside, too. Calls of a torch model from other threads pass ungated. Of Keras layers
    that take a softmax of their own the weights themselves are scaled, and nothing can stand in.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> with gate(layer, {("multiheadattention", None): 0.0}):
    ...     silent, _ = layer(x, x, x)
    >>> bool((silent == layer.out_proj.bias).all())
    True
    """
    wanted = read(gates, replace, reference)
    adapter = adapter_for(model)
    change = getattr(adapter, "gate", None)
    if change is None:
        raise UnsupportedModelError(
            f"Got a {type(model).__qualname__}, whose adapter cannot gate.",
            "Wanted a PyTorch or Keras model.",
            "Use limelight.capture to only look at its attention.",
        )
    with change(model, wanted):
        yield


def read(gates: Mapping[Any, Any], replace: Replace = None, reference: Any = None) -> Gates:
    """Read what a user wrote.

    Parameters
    ----------
    gates : mapping
        As for :func:`gate`.
    replace, reference : optional

    Returns
    -------
    Gates

    Raises
    ------
    GateError
        If it is not a mapping of the described form.

    Examples
    --------
    >>> list(read({("a/b", 3): 0.5}).sites)
    ['a/b']
    """
    if replace not in (None, "mean", "sample"):
        raise GateError(
            f"Got replace={replace!r}.", "Wanted None, 'mean' or 'sample'.", "Write one of these."
        )
    if reference is not None and replace is None:
        raise GateError(
            "Got a reference, but nothing to take from it.",
            "Wanted replace='mean' or 'sample' beside it.",
            "Say which, or leave the reference out.",
        )
    if not gates or not hasattr(gates, "items"):
        raise GateError(
            f"Got {type(gates).__name__} of no gates.",
            "Wanted a mapping from (site, head) to a gate.",
            'Write it as {("encoder/attention", 0): 0.0}.',
        )
    sites: dict[str, list[Piece]] = {}
    for key, value in gates.items():
        site, piece = _piece(key, value)
        sites.setdefault(site, []).append(piece)
    return Gates({site: tuple(found) for site, found in sites.items()}, replace, reference)


def _piece(key: Any, value: Any) -> tuple[str, Piece]:
    rank = len(getattr(value, "shape", ()))
    if isinstance(key, str) and rank <= 2:
        return key, Piece(None, value, each_head=rank > 0)
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str) and rank <= 1:
        heads = key[1]
        if heads is None or isinstance(heads, slice):
            return key[0], Piece(heads, value)
        if isinstance(heads, (tuple, range)) and all(hasattr(one, "__index__") for one in heads):
            return key[0], Piece(tuple(int(one) for one in heads), value)
        if hasattr(heads, "__index__") and not isinstance(heads, bool):
            return key[0], Piece(int(heads), value)
    shape = f" of shape {tuple(value.shape)}" if rank else ""
    raise GateError(
        f"Got a gate{shape} under {key!r}.",
        "Wanted (site, head), (site, range) or (site, None) with a number or [example]; or a site "
        "with [head] or [example, head].",
        'Write it as {("encoder/attention", 0): 0.0}.',
    )


def _check_heads(site: str, piece: Piece, heads: int) -> None:
    places = piece.places(heads)
    wrong = [place for place in places if not 0 <= place < heads]
    if wrong or not places:
        raise GateError(
            f"Got a gate for head {wrong[0]} of {site!r}, which has {heads}."
            if wrong
            else f"Got a gate for {piece.heads!r} of {site!r}, which is no head.",
            f"Wanted heads from 0 to {heads - 1}.",
            "Correct the heads.",
        )
    shape = tuple(getattr(piece.value, "shape", ()))
    if piece.each_head and shape[-1] != heads:
        raise GateError(
            f"Got gates of shape {shape} for {site!r}, which has {heads} heads.",
            "Wanted [head] or [example, head].",
            "Give one gate for each head, or name heads as (site, head).",
        )


def _listed(known: Mapping[str, int]) -> str:
    told = [f"{site} ({heads})" for site, heads in itertools.islice(known.items(), 40)]
    more = len(known) - len(told)
    return (", ".join(told) or "none was seen") + (f" and {more} more" if more > 0 else "")


def never_ran(sites: Iterable[str]) -> GateError:
    """Return the error for named sites that a context ended without.

    Parameters
    ----------
    sites : iterable of str

    Returns
    -------
    GateError
    """
    return GateError(
        f"Gates were set for {', '.join(map(repr, sites))}, but none of their calls was seen.",
        "Wanted the model to run them inside the with.",
        "Call the model itself there, not an exported, scripted or earlier traced copy of it.",
    )


def without_effect(sites: Iterable[str]) -> GateError:
    """Return the error for gates that do not reach the model's output.

    Parameters
    ----------
    sites : iterable of str

    Returns
    -------
    GateError
    """
    return GateError(
        f"Silencing heads of {', '.join(map(repr, sites))} did not reach the model's output.",
        "Wanted the output to be computed from what the heads contribute.",
        "Check that the model uses these weights; if it does, let it multiply softmax and values "
        "with matmul, bmm or einsum, in the module that takes the softmax or the one around it.",
    )
