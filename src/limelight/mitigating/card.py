"""What a mitigation says of itself, and the decorator that says it.

Room: mitigating. Comes in: a function or class of `mitigations/`. Goes out: the same, with a card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

Member = TypeVar("Member", bound=Callable[..., Any])
Stage = Literal["data", "loss", "training", "ensemble"]
Backend = Literal["tensorflow", "jax", "keras on torch", "torch", "transformers"]

#: Every backend that a mitigation may run on.
BACKENDS: Final[tuple[Backend, ...]] = (
    "tensorflow", "jax", "keras on torch", "torch", "transformers"
)  # fmt: skip


@dataclass(frozen=True)
class Mitigation:
    """A mitigation's card.

    Attributes
    ----------
    name : str
        As in ``limelight.mitigations``.
    title : str
        Its first sentence.
    answers : tuple of str
        Numbers of the techniques it belongs to, such as ``L3``.
    home : str
        The technique whose first answer it is; empty for others.
    stage : str
        Where it acts: ``data``, ``loss``, ``training`` or ``ensemble``.
    needs : tuple of str
        Such as ``groups`` or ``a bias model``.
    backends : tuple of str
        What it runs on.
    why_not : tuple of (str, str)
        The reason for each backend that is missing.
    source : str
        Who proposed it.
    function : callable
        The mitigation itself.
    """

    name: str
    title: str
    answers: tuple[str, ...]
    home: str
    stage: Stage
    needs: tuple[str, ...]
    backends: tuple[Backend, ...]
    why_not: tuple[tuple[str, str], ...]
    source: str
    function: Callable[..., Any]


def mitigation(
    *,
    answers: tuple[str, ...],
    stage: Stage,
    source: str,
    home: str = "",
    needs: tuple[str, ...] = (),
    why_not: dict[Backend, str] | None = None,
) -> Callable[[Member], Member]:
    """Give a function or class its card.

    Parameters
    ----------
    answers : tuple of str
    stage : str
    source : str
    home : str
    needs : tuple of str
    why_not : dict of str to str, optional
        Backends that it does not run on, and why.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> @mitigation(answers=("L7",), stage="data", source="nobody")
    ... def shuffled(rows):
    ...     "Shuffle rows."
    >>> shuffled.card.name, shuffled.card.title
    ('shuffled', 'Shuffle rows.')
    """
    missing = dict(why_not or {})

    def decorate(member: Member) -> Member:
        card = Mitigation(
            name=member.__name__,
            title=(member.__doc__ or "").strip().splitlines()[0],
            answers=answers,
            home=home,
            stage=stage,
            needs=needs,
            backends=tuple(name for name in BACKENDS if name not in missing),
            why_not=tuple((str(name), reason) for name, reason in missing.items()),
            source=source,
            function=member,
        )
        member.card = card  # type: ignore[attr-defined]  # as analyses carry theirs
        return member

    return decorate
