"""The measured figures as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HEAD = """\
# Benchmarks

Each figure is measured beside its peer or its limit in one run on one machine, so what counts is
the ratio; the absolute figures are of that machine. This page is written by `make bench`.

| what | bar | measured | |
|---|---|---|---|
"""

_REPEAT = """\
## Repeat it

```sh
make bench                     # all of it, about half an hour; writes this page
make bench ARGS="--only disk"  # one measurement: training, weights, disk, …
```

Leave the machine alone meanwhile. Two ways of doing the same are always measured in turns, in one
process or in one browser, and compared round by round. Where the middle half of the wall times
spreads by more than 5 %, CPU time of the process with all its threads decides. The code is in
`benchmarks/`, one file for each measurement.
"""


def text(results: Sequence[dict[str, Any]]) -> str:
    """Return the page.

    Parameters
    ----------
    results : sequence of dict
        As the runner keeps them: ``day``, ``load``, ``machine`` and ``figures`` of each
        measurement.
    """
    figures = [figure for result in results for figure in result["figures"]]
    parts = [_HEAD + "\n".join(map(_row, figures)), "## The figures behind them"]
    parts += [_behind(figure) for figure in figures]
    parts += ["## The machine", _machine(results), _REPEAT.rstrip()]
    return "\n\n".join(parts) + "\n"


def number(figure: dict[str, Any]) -> str:
    """Return a figure as text, with three digits that mean something."""
    value = float(figure["value"])
    digits = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return digits + str(figure["unit"])


def bar(figure: dict[str, Any]) -> str:
    """Return a figure's bar as text."""
    if figure["bar"] is None:
        return "–"
    return f"{'≤' if figure['at_most'] else '≥'} {figure['bar']:g}{figure['unit']}"


def _row(figure: dict[str, Any]) -> str:
    met = "" if figure["bar"] is None else "met" if figure["met"] else "**not met**"
    return f"| {figure['what']} | {bar(figure)} | {number(figure)} | {met} |"


def _behind(figure: dict[str, Any]) -> str:
    return f"**{number(figure)}**: {figure['what']}.\n{figure['absolute']}.\n*{figure['how']}.*"


def _machine(results: Sequence[dict[str, Any]]) -> str:
    machine: dict[str, str] = {}
    for result in results:
        machine |= result["machine"]
    days = sorted({result["day"] for result in results})
    lines = [f"- {name}: {value}" for name, value in machine.items()]
    loads = ", ".join(f"{result['name']} {result['load']:.2f}" for result in results)
    lines.append(f"- measured: {' and '.join(days)} (UTC)")
    lines.append(f"- processes per core that ran just before each measurement: {loads}")
    return "\n".join(lines)
