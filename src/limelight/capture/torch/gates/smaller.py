"""Makes a torch model smaller by whole heads, where their layers are separate.

Room: capture, torch. Comes in: what the heads of each site give, and which of them go. Goes out: a
model without their queries, keys, values and outputs; or, unchanged, the reason why not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from limelight.capture.torch.gates.projecting import Part
from limelight.capture.torch.names import paths

#: What modules call the layers of queries, keys and values.
_LAYERS = (
    ("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("q_lin", "k_lin", "v_lin"),
    ("to_q", "to_k", "to_v"), ("wq", "wk", "wv"), ("w_q", "w_k", "w_v"), ("q", "k", "v"),
    ("query_proj", "key_proj", "value_proj"), ("linear_q", "linear_k", "linear_v"),
    ("Wq", "Wk", "Wv"), ("W_q", "W_k", "W_v"),
)  # fmt: skip
#: What they call the number of heads, that of key heads, and the width of all heads.
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads", "h")
_KEY_HEADS = ("num_key_value_heads", "n_kv_heads", "num_kv_heads", "kv_heads")
_GROUPS = ("num_key_value_groups", "n_rep", "num_queries_per_kv")
_WIDTHS = ("all_head_size", "inner_dim", "attn_dim", "inner_size")
_MODEL_WIDTHS = ("embed_dim", "dim", "hidden_size", "d_model")


@dataclass(eq=False)
class _Layers:
    """The layers of one attention, and which of their rows stay."""

    owner: Any
    query: Any
    key: Any
    value: Any
    output: Any
    queries: Any = None
    keys: Any = None
    values: Any = None
    outputs: Any = None
    heads: tuple[int, int] = (0, 0)
    key_heads: tuple[int, int] = (0, 0)


class _NotSmallerError(Exception):
    """Why a model cannot be made smaller."""


def made_smaller(
    model: Any,
    parts: Mapping[str, list[Part]],
    heads: Mapping[str, list[int]],
    alike: Callable[[], bool],
) -> str:
    """Take heads out altogether, or leave the model as it is.

    Parameters
    ----------
    model : torch.nn.Module
    parts : mapping of str to list of Part
    heads : mapping of str to list of int
    alike : callable
        Says whether the model computes what it shall.

    Returns
    -------
    str
        Why it is as before; empty where it is smaller.
    """
    try:
        sites = [_layers_of(model, site, parts[site], indices) for site, indices in heads.items()]
    except _NotSmallerError as reason:
        return str(reason)
    for widths in (_WIDTHS, (*_WIDTHS, *_MODEL_WIDTHS)):
        with _changed(sites, widths) as keep:
            try:
                if alike():
                    keep()
                    return ""
            except Exception:  # noqa: BLE001, S112  # whatever its code says of another width
                continue
    return "its code computes something else with fewer heads"


def _layers_of(model: Any, site: str, parts: Sequence[Part], indices: Sequence[int]) -> _Layers:
    import torch

    if len(parts) != 1:
        raise _NotSmallerError(f"{site!r} attends several times with the same layers")
    part = parts[0]
    modules = {path: module for module, path in paths(model)}
    owner = modules[part.site.path]
    names = next((n for n in _LAYERS if all(_linear(getattr(owner, x, None)) for x in n)), None)
    if names is None:
        raise _NotSmallerError(
            f"the queries, keys and values of {site!r} come of no layers of their own"
        )
    query, key, value = (getattr(owner, name) for name in names)
    weight = None if part.projection is None else part.projection.weight
    output = next((m for m in modules.values() if _linear(m) and m.weight is weight), None)
    if output is None:
        raise _NotSmallerError(f"the output projection of {site!r} is no linear layer of its own")
    _, count, _ = part.sizes
    features = part.values.shape[-1]
    if output.in_features != count * features or query.out_features % count:
        raise _NotSmallerError(f"the layers of {site!r} are of other widths than its heads")
    width = query.out_features // count
    if key.out_features % width or value.out_features % features:
        raise _NotSmallerError(f"the keys of {site!r} are of other widths than its heads")
    key_heads = key.out_features // width
    if value.out_features // features != key_heads or count % key_heads:
        raise _NotSmallerError(f"the keys of {site!r} are of other widths than its heads")
    order = part.heads().reshape(-1, output.in_features)[0]
    if not torch.equal(order, torch.arange(count).repeat_interleave(features)):
        raise _NotSmallerError(f"the heads of {site!r} do not lie one after the other")
    return _shares(
        site, _Layers(owner, query, key, value, output), count, key_heads, width, features, indices
    )


def _shares(
    site: str,
    layers: _Layers,
    count: int,
    key_heads: int,
    width: int,
    features: int,
    indices: Sequence[int],
) -> _Layers:
    """Say which rows of the layers stay."""
    stay = [head for head in range(count) if head not in set(indices)]
    group = count // key_heads
    by_key = [sum(head // group == at for head in stay) for at in range(key_heads)]
    key_rows = [at for at, number in enumerate(by_key) if number]
    if not stay:
        raise _NotSmallerError(f"no head of {site!r} would be left")
    if len({by_key[at] for at in key_rows}) > 1:
        raise _NotSmallerError(
            f"the heads of {site!r} share their keys by {group}, and other numbers of them would "
            "be left to each"
        )
    return replace(
        layers, queries=_rows(stay, width), keys=_rows(key_rows, width),
        values=_rows(key_rows, features), outputs=_rows(stay, features),
        heads=(count, len(stay)), key_heads=(key_heads, len(key_rows)),
    )  # fmt: skip


def _linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)


def _rows(indices: Sequence[int], width: int) -> Any:
    import torch

    first = torch.tensor(indices)[:, None] * width
    return (first + torch.arange(width)).reshape(-1)


@contextmanager
def _changed(sites: Sequence[_Layers], widths: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Make layers smaller; put them back unless what is yielded is called."""
    import torch

    undo: list[Callable[[], None]] = []
    staying: list[bool] = []

    def put(owner: Any, name: str, value: Any) -> None:
        undo.append(partial(setattr, owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def cut_down(layer: Any, rows: Any, axis: int) -> None:
        for name in ("weight", "bias")[: 2 - axis]:
            before = getattr(layer, name)
            if before is not None:
                values = before.detach().index_select(axis, rows.to(before.device)).clone()
                put(layer, name, torch.nn.Parameter(values, before.requires_grad))
        put(layer, ("out_features", "in_features")[axis], len(rows))

    for site in sites:
        cut_down(site.query, site.queries, 0)
        cut_down(site.key, site.keys, 0)
        cut_down(site.value, site.values, 0)
        cut_down(site.output, site.outputs, 1)
        (before, heads), (keys_before, keys) = site.heads, site.key_heads
        numbers = dict.fromkeys(_HEADS, (before, heads))
        numbers |= dict.fromkeys(_KEY_HEADS, (keys_before, keys))
        numbers |= dict.fromkeys(_GROUPS, (before // keys_before, heads // keys))
        width = len(site.queries) // heads
        numbers |= dict.fromkeys(widths, (before * width, heads * width))
        for name, (old, new) in numbers.items():
            if vars(site.owner).get(name) == old:
                put(site.owner, name, new)
    try:
        yield lambda: staying.append(True)
    finally:
        if not staying:
            for back in reversed(undo):
                back()
