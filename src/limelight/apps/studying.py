"""``limelight study`` and ``limelight catalogue``: studies by their names, with their own options.

Room: apps. Comes in: words. Goes out: a study's result as a sentence and a table, or JSON. The
options of a study are those of its function: nothing is listed here.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import numpy as np
import xarray as xr

from limelight.catalogue import Study, analyses, studies
from limelight.errors import StudyError
from limelight.studying.recipe import Recipe

#: Arguments that are a function or labels: ``module:function`` on the command line.
_FUNCTIONS = ("collate", "call")
_LABELS = ("resample_by",)
#: Arguments that the command has in another form, or that words cannot say.
_OWN = ("model", "data", "run", "executor", "progress", "heads")
#: Lines of the table.
_LINES = 12


class Studies(click.Group):
    """A command for each study that there is."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names of all studies of a model and data."""
        return [name for name, card in studies().items() if _is_of_words(card)]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return the command that runs a study."""
        card = studies().get(name)
        return None if card is None or not _is_of_words(card) else command(card)


def _is_of_words(card: Study) -> bool:
    """Say whether a study takes a model and data; others take functions, in Python alone."""
    return {"model", "data"} <= set(inspect.signature(card.function).parameters)


def listed() -> list[dict[str, Any]]:
    """Return what there is: measures and studies, by the questions that they answer.

    Returns
    -------
    list of dict
        ``name``, ``kind``, ``title``, ``question``, ``answers``, ``home``, ``tier``, ``units``,
        ``source``.
    """
    measures = [
        {"name": card.name, "kind": "measure", "title": card.title, "question": card.answers,
         "answers": [], "home": False, "tier": card.tier, "units": card.units, "source": ""}
        for card in analyses().values()
    ]  # fmt: skip
    return measures + [
        {"name": card.name, "kind": "study", "title": card.title, "question": card.question,
         "answers": list(card.answers), "home": card.home, "tier": card.tier,
         "units": card.units, "source": card.source}
        for card in studies().values()
    ]  # fmt: skip


def command(card: Study) -> click.Command:
    """Return the command that runs a study, with the options of its function.

    Parameters
    ----------
    card : Study

    Returns
    -------
    click.Command
    """
    options: list[click.Parameter] = [
        click.Option(["--model"], required=True, metavar="MODULE:FUNCTION",
                     help="A function that returns the model."),
        click.Option(["--data"], required=True, metavar="MODULE:FUNCTION",
                     help="A function that returns the data: (x, y), batches, a loader …"),
        click.Option(["--run"], metavar="DIR", type=click.Path(path_type=Path),
                     help="A log folder that keeps what is finished, and the result; the same "
                     "command goes on from there."),
        click.Option(["--heads"], multiple=True, metavar="SITE=0,3",
                     help="Some heads of a site; may be repeated. All of them if not given."),
        click.Option(["--json", "as_json"], is_flag=True, help="Write the result as JSON."),
    ]  # fmt: skip
    function = card.function
    hints, texts = get_type_hints(function), _texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in _OWN and parameter.kind is parameter.KEYWORD_ONLY:
            option = _option(name, parameter.default, hints[name], texts.get(name, ""))
            options += [] if option is None else [option]

    def act(**given: Any) -> None:
        _run(card, given)

    return click.Command(card.name, params=options, callback=act, help=card.question)


def _run(card: Study, given: dict[str, Any]) -> None:
    as_json = given.pop("as_json")
    sys.path.insert(0, str(Path.cwd()))  # where a user's own modules lie
    model, data = (Recipe(_named(name, given.pop(name))) for name in ("model", "data"))
    taken = inspect.signature(card.function).parameters
    heads = _heads(given.pop("heads"))
    if "heads" in taken:
        given["heads"] = heads
    elif heads:
        raise StudyError(f"Got --heads for {card.name}.", "It is of all heads.", "Leave it out.")
    for name in given:
        if isinstance(given[name], str) and (
            name in (*_FUNCTIONS, *_LABELS) or _is_function(name, given)
        ):
            function = Recipe(given[name]).function()
            given[name] = function() if name in _LABELS else function
    result = card(model, data, **given)
    if as_json:
        text = json.dumps(_plain(result.to_dict()), ensure_ascii=False, indent=1)
        click.echo(text)
        return
    click.echo(result.attrs["sentence"])
    for line in table(result):
        click.echo(line)


def table(result: xr.Dataset) -> list[str]:
    """Return the heads of greatest effect, one a line.

    Parameters
    ----------
    result : Dataset [site, head]

    Returns
    -------
    list of str
    """
    name = next(iter(result.data_vars))
    grid = result[name]
    if grid.ndim != 2:
        return []
    order = np.argsort(-np.abs(np.nan_to_num(grid.values, nan=-np.inf * 0)), axis=None)
    lines = []
    for at in order[:_LINES]:
        site, head = np.unravel_index(at, grid.shape)
        value = float(grid.values[site, head])
        if np.isfinite(value):
            lines.append(f"{_line(result, int(site), int(head), value)}")
    more = int(np.isfinite(grid.values).sum()) - len(lines)
    return [*lines, f"… and {more} more: --json, or run.study({result.attrs['study']!r})"] if (
        more > 0) else lines  # fmt: skip


def _line(result: xr.Dataset, site: int, head: int, value: float) -> str:
    name, dim = next(iter(result.data_vars)), str(list(result.sizes)[1])
    text = f"{result['site'].values[site]}#{result[dim].values[head]}  {name} {value:+.4g}"
    if "low" in result and np.isfinite(result["low"].values[site, head]):
        low, high = (float(result[end].values[site, head]) for end in ("low", "high"))
        text += f"  [{low:+.4g}, {high:+.4g}]"
    if "p_adjusted" in result:
        text += f"  p adj. {float(result['p_adjusted'].values[site, head]):.3g}"
    return text


def _option(name: str, default: Any, hint: Any, text: str) -> click.Option | None:
    """Make an option of an argument; None where words cannot say it."""
    flag = f"--{name.replace('_', '-')}"
    choices = _choices(hint)
    if isinstance(default, bool):
        return click.Option([f"{flag}/--no{flag[1:]}"], default=default, help=text)
    if name in (*_FUNCTIONS, *_LABELS):
        return click.Option([flag], metavar="MODULE:FUNCTION", help=text)
    if choices:
        return click.Option([flag], type=click.Choice(choices), default=default, show_default=True,
                            help=text)  # fmt: skip
    kinds = [plain for plain in (int, float, str) if plain in (hint, *get_args(hint))]
    if not kinds:
        return None
    kind = kinds[0]
    return click.Option([flag], type=kind, default=default, show_default=default is not None,
                        help=text)  # fmt: skip


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint) if value is not None]
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        if all(get_origin(part) is Literal for part in parts):
            return [choice for part in parts for choice in _choices(part)]
    return []


def _texts(function: Callable[..., Any]) -> dict[str, str]:
    """Return what a docstring says of each argument."""
    texts: dict[str, str] = {}
    names: list[str] = []
    section = (
        (inspect.getdoc(function) or "").partition("Parameters\n")[2].partition("\nReturns")[0]
    )
    for line in section.splitlines():
        if line and not line.startswith((" ", "-")):
            names = [part.strip() for part in line.partition(" : ")[0].split(",")]
        else:
            for name in names:
                texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return {name: text.partition(". ")[0].replace("``", "") for name, text in texts.items()}


def _named(name: str, target: str) -> str:
    if ":" not in target:
        raise StudyError(
            f"Got --{name} {target}.",
            "Wanted a module and a function in it.",
            f"Write it as --{name} my_package.{name}s:build.",
        )
    return target


def _is_function(name: str, given: dict[str, Any]) -> bool:
    return name == "metric" and ":" in str(given[name])


def _heads(words: tuple[str, ...]) -> dict[str, list[int]] | None:
    heads: dict[str, list[int]] = {}
    for word in words:
        site, mark, numbers = word.rpartition("=")
        if not mark or not all(part.strip().isdigit() for part in numbers.split(",")):
            raise StudyError(
                f"Got --heads {word}.", "Wanted a site and numbers of heads.",
                "Write it as --heads encoder/attention=0,3.",
            )  # fmt: skip
        heads.setdefault(site, []).extend(int(part) for part in numbers.split(","))
    return heads or None


def _plain(value: Any) -> Any:
    """Turn what JSON has not into what it has; no number becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, NoneType)) else str(value)
