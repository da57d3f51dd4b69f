"""What the demo shows in the terminal: what is going on, and what came of it.

Room: apps. Comes in: cases, how far they are, their results. Goes out: bars and a clock on a
terminal's standard error; questions, answers, links and a table on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from limelight.catalogue import Case, Result


@dataclass(frozen=True)
class Outcome:
    """What came of one case.

    Attributes
    ----------
    case : Case
    folder : Path
        Where its runs are.
    results : tuple of Result
    seeds : int
        How often each run was trained.
    """

    case: Case
    folder: Path
    results: tuple[Result, ...]
    seeds: int = 1

    def run(self, name: str) -> str:
        """Return a run's name as TensorBoard has it: the folder may be another than the first."""
        return self.folder.name + name.removeprefix(self.case.name)


@contextmanager
def terminal() -> Iterator[Console]:
    """Yield a console on standard error as it is now.

    While a framework is loaded its C++ notes are kept from file descriptor 2, and with them would
    be all that says that something is going on.
    """
    with ExitStack() as stack:
        file = sys.stderr
        try:
            if sys.stderr.isatty():
                file = stack.enter_context(os.fdopen(os.dup(2), "w", encoding="utf-8"))
        except (OSError, ValueError):
            pass  # no file, as in a test: what is written is collected there
        yield Console(file=file)


@contextmanager
def busy(console: Console, what: str) -> Iterator[None]:
    """Say what is going on, and for how long it has been; nothing into a pipe."""
    if not console.is_terminal:
        yield
        return
    with Progress(TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn(),
                  console=console, transient=True) as bars:  # fmt: skip
        bars.add_task(what, total=None)
        yield


def train(console: Console, case: Case, folder: Path, size: float, seeds: int = 1) -> Outcome:
    """Train a case, with bars for its runs on a terminal."""
    more = {"seeds": seeds} if case.seeded else {}
    whole = case.whole_seconds if case.whole_seconds and not case.left_out else case.seconds
    click.echo(f"{case.name}: {case.question or case.shows} (about {_time(whole * size * seeds)})")
    if not console.is_terminal:
        return Outcome(case, folder, case.train(folder, size=size, **more), seeds)
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.fields[far]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        loading: list[TaskID] = [bars.add_task("loading TensorFlow", total=None, far="")]
        tasks: dict[str, TaskID] = {}

        def told(run: str, done: int, steps: int) -> None:
            while loading:
                bars.remove_task(loading.pop())
            if run not in tasks:
                tasks[run] = bars.add_task(run, total=steps, far="")
            bars.update(tasks[run], completed=done, far=f"{done:.0f}/{steps:.0f} steps")

        return Outcome(case, folder, case.train(folder, size=size, progress=told, **more), seeds)


def _time(seconds: float) -> str:
    """Return a time as it is said; no case takes less than the start of its framework."""
    return f"{max(10, 5 * round(seconds / 5))} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def tell(outcome: Outcome, address: str | None) -> None:
    """Write a case's answer, where it is recorded, and the link that shows it."""
    for line in _answer(outcome):
        click.echo(f"    {line}")
    click.echo(f"    Recorded in {outcome.folder}")
    if outcome.case.left_out:
        more = f"limelight demo --case {outcome.case.name}"
        click.echo(f"    With {len(outcome.case.left_out)} more runs: {more}")
    if address is not None:
        run = quote(outcome.run(outcome.case.runs_of(outcome.seeds)[0]), safe="")
        click.echo(f"    {address}&p.limelight.run={run}")


def show(outcomes: Sequence[Outcome]) -> None:
    """Write the table of what was measured, by the questions it is to answer."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    table = Table(
        title="Measured after training; in brackets 95 % intervals",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("question", max_width=32)
    table.add_column("run", no_wrap=True)
    table.add_column("what")
    more: dict[str, Any] = {"justify": "right", "no_wrap": True}
    table.add_column("value", **more)
    table.add_column("beside it", **more)
    table.add_column("which is")
    for outcome in outcomes:
        question = outcome.case.question or outcome.case.title
        for result in outcome.results:
            what = f"{result.measure} ({result.n:,} {result.of})"
            table.add_row(question, outcome.run(result.run), what, _value(result),
                          f"{result.beside:.3g}", result.beside_name)  # fmt: skip
            question = ""
        table.add_section()
    console.print(table)


def _value(result: Result) -> str:
    """Return a figure, and between what it lies with 95 % certainty where that is known."""
    low, high = result.interval or (None, None)
    between = "" if low is None else f" ({low:.3g} … {high:.3g})"
    return f"{result.value:.3g}{between}"


def _answer(outcome: Outcome) -> list[str]:
    if not outcome.results:
        return []
    if outcome.case.answer is not None:
        return [outcome.case.answer(outcome.results)]
    first = outcome.results[0]
    what = f"{first.measure.capitalize()}: {first.value:.3g}"
    return [f"{what}; {first.beside_name}: {first.beside:.3g}."]
