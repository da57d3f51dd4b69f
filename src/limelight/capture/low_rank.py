"""What adapters of low rank add to the matrices they adapt.

Room: capture, below the adapters. Comes in: parameters by name. Goes out: products of the pairs
among them. A product may stand still while both of its factors move, and the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import Parameter

#: How packages name the two factors: in peft ``…/lora_A/default/weight`` [rank, in] and ``lora_B``
#: [out, rank]; in Keras ``…/lora_kernel_a`` [in, rank] and ``…_b`` [rank, out].
_FIRST: Final = re.compile(r"(^|[/_])lora_(A|kernel_a|embeddings_a|a)(?=$|[/_])")
#: Larger products take too long at each step.
_MOST: Final = 1 << 26


def products(named: Mapping[str, Parameter]) -> dict[str, tuple[NDArray[Any], bool]]:
    """Return what each pair of factors makes.

    Parameters
    ----------
    named : mapping of str to Parameter

    Returns
    -------
    dict of str to (array, bool)
        By a name that ends in ``lora_BA``: the product, and whether a factor is trained.

    Examples
    --------
    >>> pair = {"q/lora_A/weight": np.ones((2, 3)), "q/lora_B/weight": np.ones((4, 2))}
    >>> made = products({n: Parameter(v.shape, v) for n, v in pair.items()})
    >>> [(name, values.shape) for name, (values, _) in made.items()]
    [('q/lora_BA', (4, 3))]
    """
    made = {}
    for name, first in named.items():
        match = _FIRST.search(name)
        if match is None:
            continue
        letter = match[2][-1]
        other = "B" if letter == "A" else "b"
        at = match.end(2)
        second = named.get(name[: at - 1] + other + name[at:])
        if second is None or not _multiply(first, second):
            continue
        a, b = np.asarray(first.values), np.asarray(second.values)
        product = b @ a if letter == "A" else a @ b
        prefix = name[: match.start(2)].removesuffix("lora_") + "lora_BA"
        trains = first.trainable or second.trainable
        made[prefix + name[at:].removesuffix("/weight")] = (product, trains)
    return made


def _multiply(first: Parameter, second: Parameter) -> bool:
    """Say whether two are matrices that can be multiplied, with values that are at hand."""
    for item in (first, second):
        if len(item.shape) != 2 or item.values is None or callable(item.values):
            return False
    small = first.shape[0] == second.shape[1] or first.shape[1] == second.shape[0]
    size = max(first.shape) * max(second.shape)
    return small and size <= _MOST
