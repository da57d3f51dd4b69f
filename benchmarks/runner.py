"""Runs the measurements, each in a process of its own, and writes the report."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "benchmarks" / "results"
REPORT = ROOT / "docs" / "benchmarks.md"

#: In the order of the report. Each is a module with ``measure(tiny) -> list of Figure``.
NAMES = ("training", "weights", "watched", "disk", "painted", "opened", "weights_page", "capture",
         "gates", "studies", "heads", "faults", "architectures", "long", "panned")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if every bar is met, or none is meant, 1 if not."""
    asked = _asked(arguments)
    if asked.inside:
        _measure_here(asked.inside, asked.results, asked.tiny)
        return 0
    for name in asked.only or NAMES:
        print(f"measuring {name} …", flush=True)
        started = time.perf_counter()
        _measure_apart(name, asked.results, asked.tiny)
        print(f"  took {time.perf_counter() - started:.0f} s", flush=True)
    results = _results(asked.results)
    for result in results.values():
        _print(result)
    missing = [name for name in NAMES if name not in results]
    if missing:
        print(f"{asked.report.name} not written: not measured yet: {', '.join(missing)}")
    else:
        from benchmarks import report

        asked.report.write_text(report.text([results[name] for name in NAMES]), encoding="utf-8")
        print(f"wrote {asked.report.name}")
    missed = [
        figure for result in results.values() for figure in result["figures"] if not figure["met"]
    ]
    for figure in missed:
        print(f"bar not met: {figure['what']}", file=sys.stderr)
    return int(bool(missed) and not asked.tiny)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    names = ", ".join(NAMES)
    tiny_help = "tiny models: does the machinery work? The figures mean nothing."
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME",
                        help=f"measure this one only, may be repeated: {names}")  # fmt: skip
    parser.add_argument("--tiny", action="store_true", help=tiny_help)
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep raw results there")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    tiny = ROOT / "build" / "benchmarks" / "tiny"
    # Figures of tiny models must never be taken for the real ones.
    asked.results = (asked.results or (tiny if asked.tiny else RESULTS)).resolve()
    asked.report = (asked.report or (tiny / "benchmarks.md" if asked.tiny else REPORT)).resolve()
    return asked


def _measure_apart(name: str, results: Path, tiny: bool) -> None:
    command = [sys.executable, "-m", "benchmarks", "--inside", name, "--results", str(results),
               *(["--tiny"] if tiny else [])]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _measure_here(name: str, results: Path, tiny: bool) -> None:
    from benchmarks import machine

    load = machine.load()
    figures = importlib.import_module(f"benchmarks.{name}").measure(tiny)
    results.mkdir(parents=True, exist_ok=True)
    result = {
        "name": name,
        "day": datetime.now(UTC).date().isoformat(),
        "load": load,
        "machine": machine.describe(),
        "figures": [figure.as_dict() | {"met": figure.met} for figure in figures],
    }
    (results / f"{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


def _results(results: Path) -> dict[str, dict[str, Any]]:
    files = {name: results / f"{name}.json" for name in NAMES}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in files.items()
        if path.is_file()
    }


def _print(result: dict[str, Any]) -> None:
    from benchmarks import report

    for figure in result["figures"]:
        verdict = "met" if figure["met"] else "NOT MET"
        print(f"{report.number(figure)} (bar {report.bar(figure)}: {verdict})  {figure['what']}")
        print(f"    {figure['absolute']}")
        print(f"    {figure['how']}")
