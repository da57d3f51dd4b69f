"""What a study is: a function that runs a model many times over data, and a card that says why.

Room: beside measure. Comes in: a function of a model and data. Goes out: the same, with its card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from limelight.measure import Words

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Study:
    """What a study says of itself, read by the command line, the docs and the screens.

    Attributes
    ----------
    name : str
        The function's name.
    title : str
        A few words, as a screen shows them.
    question : str
        First sentence of its docstring.
    zh : Words
        The same in Chinese.
    answers : tuple of str
        Numbers of the questions that it answers, such as ``H11``.
    home : bool
        Whether it is where these numbers are looked for first.
    tier : str
        ``observed``, ``gradient-attributed`` or ``intervened``: what its numbers may claim.
    units : str
        Unit of its result; ``the metric's`` where that decides.
    bounds : tuple
        Lowest and highest value.
    source : str
        Who first did so.
    function : callable
        The study itself.
    """

    name: str
    title: str
    question: str
    zh: Words
    answers: tuple[str, ...]
    tier: str
    units: str
    bounds: tuple[float, float]
    source: str
    function: Callable[..., Any]
    home: bool = True

    def __call__(self, model: Any, data: Any, **options: Any) -> Any:
        """Run the study, as the function itself does."""
        return self.function(model, data, **options)


def study(
    *,
    title: str,
    answers: tuple[str, ...],
    tier: str,
    units: str,
    bounds: tuple[float, float],
    source: str,
    zh: tuple[str, str] = ("", ""),
    home: bool = True,
) -> Callable[[Function], Function]:
    """Give a function a study's card.

    Parameters
    ----------
    title : str
        A few words.
    answers : tuple of str
        Numbers of questions.
    tier, units : str
    bounds : (float, float)
    source : str
    zh : (str, str)
        Title and question in Chinese; those in English if not given.
    home : bool

    Returns
    -------
    callable
        The decorator; the function stays itself, with ``card``.

    Examples
    --------
    >>> @study(title="nothing", answers=("H11",), tier="observed", units="nat", bounds=(0, 1),
    ...        source="nobody")
    ... def nothing(model, data):
    ...     '''Do nothing.'''
    >>> nothing.card.question
    'Do nothing.'
    """

    def decorate(function: Function) -> Function:
        question = (function.__doc__ or "").strip().split("\n\n", maxsplit=1)[0]
        question = " ".join(question.split())
        words = Words(zh[0] or title, zh[1] or question)
        function.card = Study(  # type: ignore[attr-defined]
            function.__name__, title, question, words, tuple(answers), tier, units,
            bounds, source, function, home,
        )  # fmt: skip
        return function

    return decorate
