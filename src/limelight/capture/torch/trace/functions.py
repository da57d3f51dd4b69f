"""Kinds of torch functions: what each does to positions and to the values of a softmax.

Room: capture, torch. Functions are told apart by name, because one has many faces:
``torch.matmul``, ``Tensor.matmul`` and ``@``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


def listed(names: str) -> frozenset[str]:
    """Return the names that a text lists."""
    return frozenset(names.split())


#: Give the same values in another order, form or precision.
REARRANGES = listed(
    "alias as_strided bfloat16 chunk clone contiguous cpu cuda data detach double dropout expand "
    "expand_as flatten float getitem half moveaxis movedim narrow permute repeat "
    "repeat_interleave reshape reshape_as roll select split squeeze swapaxes swapdims T H mT mH t "
    "tensor_split to transpose type type_as unbind unflatten unsqueeze view view_as "
    "view_as_complex view_as_real index_select gather alpha_dropout feature_dropout "
    "broadcast_to real requires_grad"
)
#: Those that may put another axis last.
TURNS = listed("moveaxis movedim permute swapaxes swapdims T H mT mH t transpose")
#: Bring a tensor to the form of another, whose values do not matter.
AS_ANOTHER = frozenset(("to", "type_as", "view_as", "reshape_as", "expand_as"))
#: Work on each value by itself, or on values at the same position.
ELEMENTWISE = listed(
    "abs add addcmul clamp clip div divide exp gelu leaky_relu lerp masked_fill mul multiply "
    "nan_to_num neg negative pow relu rsub sigmoid silu softplus sub subtract tanh tril triu "
    "truediv true_divide where elu sqrt maximum minimum"
)
#: Those of them that multiply two tensors.
TIMES = frozenset(("mul", "multiply"))
#: Sum products of two tensors over an axis.
PRODUCTS = listed("matmul rmatmul mm bmm baddbmm einsum tensordot inner mv bilinear")
#: Invert matrices.
INVERSES = frozenset(("linalg_pinv", "pinverse", "linalg_inv", "inverse", "linalg_inv_ex"))
#: Sum over an axis.
SUMS = frozenset(("sum", "nansum", "mean"))
#: Work on each position's features by learned parameters.
LINEAR = frozenset(("linear", "addmm", "embedding"))
#: Put tensors beside one another.
JOINS = frozenset(("cat", "concat", "concatenate", "stack", "hstack", "vstack"))
#: Work on each position's features, or on a neighbourhood of each position.
LOCAL = listed(
    "batch_norm conv1d conv2d conv3d group_norm instance_norm layer_norm normalize rms_norm"
)


def name_of(function: Any) -> str:
    """Return a function's name, the same for its in-place and operator forms.

    Parameters
    ----------
    function : callable

    Returns
    -------
    str
        Such as ``matmul``.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    if name == "__get__":
        return str(function.__self__.__name__)
    if name == "__setitem__":
        return name
    name = name.partition(".")[0]  # matmul.default, as exported programs say
    if name.startswith("__") and name.endswith("__"):
        name = name.strip("_")
        # __iadd__ and __radd__, but not __invert__ or __repr__
        if name[:1] in {"i", "r"} and name[1:] in ELEMENTWISE:
            return name[1:]
        return name
    return name.rstrip("_") or name


def writes(function: Any) -> bool:
    """Say whether a function changes its first argument.

    Parameters
    ----------
    function : callable

    Returns
    -------
    bool
    """
    name = str(getattr(function, "__name__", ""))
    if name.startswith("__"):
        return name == "__setitem__" or (name[2:3] == "i" and name[3:-2] in ELEMENTWISE)
    return name.endswith("_")


def tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors in nested arguments or results, in order.

    Parameters
    ----------
    value : object

    Yields
    ------
    tensor
    """
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors(part)


def solid(tensor: Any) -> tuple[Any, int]:
    """Return what lies under ``torch.vmap``, with the mapped axes first, and how many they are.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    tensor
    int
    """
    from torch._C import _functorch

    levels = 0
    while _functorch.is_batchedtensor(tensor):
        axis = _functorch.maybe_get_bdim(tensor)
        tensor = _functorch.get_unwrapped(tensor).movedim(axis, 0)
        levels += 1
    return tensor, levels


@dataclass(eq=False)
class Step:
    """One function that ran.

    Attributes
    ----------
    name : str
        As :func:`name_of` gives it.
    args, kwargs : tuple, dict
    fed : list of tensor
        Its tensors, in order.
    function : callable
    """

    name: str
    args: Any
    kwargs: dict[str, Any]
    fed: list[Any]
    function: Any

    @property
    def rearranges(self) -> bool:
        """Whether it gives the first tensor's values anew."""
        return self.name in REARRANGES

    @property
    def keeps_positions(self) -> bool:
        """Whether what it takes out of a tensor is not a part of its positions."""
        rank = self.fed[0].dim()
        if self.name == "getitem":
            index = self.args[1] if isinstance(self.args[1], tuple) else (self.args[1],)
            whole = slice(None)
            before = index[:-1] if len(index) == rank or Ellipsis in index else index
            return all(
                part is None or part is Ellipsis or isinstance(part, int) or part == whole
                for part in before
            )
        if self.name in {"index_select", "gather"}:
            return False
        if self.name in {"chunk", "split", "tensor_split", "narrow"} and rank == 3:
            ordinal = 1 if self.name == "narrow" else 2
            axis = self.kwargs.get("dim", self.args[ordinal] if len(self.args) > ordinal else 0)
            return axis in {-1, 2}
        return True

    def regroups(self, out: Any) -> bool:
        """Say whether a view only splits or joins the last axis, as for heads."""
        last, before = int(out.shape[-1]), int(self.fed[0].shape[-1])
        splits = self.name in {"view", "reshape", "unflatten", "flatten"}
        if self.name in TURNS:
            return _last_stays(self, out)
        return splits and last > 1 and before % last == 0

    def keeps_shape(self, out: Any) -> bool:
        """Say whether it works on each position, or on a neighbourhood of each."""
        return self.name in LOCAL and tuple(out.shape[2:]) == tuple(self.fed[0].shape[2:])

    def joins_last(self, out: Any) -> bool:
        """Say whether it puts tensors beside one another along their features, or behind them."""
        axis = self.kwargs.get("dim", self.args[1] if len(self.args) > 1 else 0)
        return self.name in {"cat", "concat", "concatenate", "stack"} and axis in {
            -1, out.dim() - 1
        }  # fmt: skip

    def features(self, out: Any) -> bool:
        """Say whether the last axis of the result counts learned vectors."""
        if self.name == "embedding" or out.dim() == 0 or out.shape[-1] < 2:
            return False
        if self.name == "einsum" and isinstance(self.args[0], str):
            inputs, _, output = self.args[0].replace(" ", "").partition("->")
            return output[-1:] not in inputs.split(",")[0]
        return self.fed[-1].dim() > 1 or self.name == "linear"

    def sides(self, provenances: list[Any]) -> tuple[Any, Any, tuple[Any, Any]]:
        """Return the provenances and tensors of a product's two sides."""
        index = 1 if self.name == "baddbmm" and len(provenances) > 2 else 0
        two = (
            provenances[index : index + 2]
            if len(provenances) > 1
            else [provenances[0], provenances[0]]
        )
        pair = self.fed[index : index + 2] if len(self.fed) > 1 else [self.fed[0]] * 2
        if self.name == "rmatmul":
            two, pair = two[::-1], pair[::-1]
        return two[0], two[1], (pair[0], pair[1])


def _last_stays(step: Step, out: Any) -> bool:
    """Say whether the last axis is the one that was last before."""
    source = step.fed[0]
    if not source.dim() or out.dim() != source.dim():
        return False
    return bool(out.stride(-1) == source.stride(-1) and out.shape[-1] == source.shape[-1])
