"""Mitigations: each changes the data, the loss or the training of a model.

``from limelight import mitigations as mt``, then ``mt.Focal(gamma=2)``. One file a mitigation,
found by being there, each with a card (:func:`cards`). Loads no framework before one is used.
"""

from __future__ import annotations

import importlib
from typing import Any

from limelight.mitigating.card import Mitigation
from limelight.mitigating.packing import pack as pack
from limelight.rooms import members


def cards() -> dict[str, Mitigation]:
    """Return the card of every mitigation by its name, in alphabetical order.

    Returns
    -------
    dict of str to Mitigation

    Examples
    --------
    >>> cards()["Focal"].stage
    'loss'
    """
    return dict(_CARDS)


def _read() -> dict[str, Mitigation]:
    made: dict[str, Mitigation] = {}
    for name in members("mitigations"):
        module = importlib.import_module(f"{__name__}.{name}")
        for value in vars(module).values():
            card = getattr(value, "card", None)
            if isinstance(card, Mitigation) and card.function.__module__ == module.__name__:
                made[card.name] = card
    return dict(sorted(made.items()))


_CARDS = _read()
# All at once: Python puts a file that is imported here by its name, where its function is to be.
globals().update({name: card.function for name, card in _CARDS.items()})


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'limelight.mitigations' has no attribute {name!r}. There are: {', '.join(_CARDS)}."
    )


def __dir__() -> list[str]:
    return sorted({"cards", "pack", *_CARDS})
