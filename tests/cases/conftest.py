"""Real data for the cases' tests, downloaded once a session, and each case trained once on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from limelight import catalogue

#: Runs that are trained here, of a case all of whose runs would take too long.
RUNS = {"lstm": ("lstm/attention", "lstm/plain", "lstm/tutorial")}


def trained_runs(name: str) -> tuple[str, ...]:
    """Names of the runs of a case that are trained here."""
    return RUNS.get(name, catalogue.cases()[name].runs)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.getbasetemp() / "limelight-data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMELIGHT_DATA", str(folder))
        yield folder


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LIMELIGHT_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory) -> Callable[[str], tuple[Any, Any, Path]]:
    """A function that trains a case for a moment, once: its results, progress, log directory."""
    logs = tmp_path_factory.mktemp("logs")

    @functools.cache
    def train(name):
        calls = []
        more = {"runs": RUNS[name]} if name in RUNS else {}
        results = catalogue.cases()[name].train(
            logs / name, size=0.02, progress=lambda *call: calls.append(call), **more
        )
        return results, calls, logs

    return train


@pytest.fixture
def recorded(trained) -> Callable[[str], Any]:
    """A function that opens a run of a case; trains the case where no other test has."""
    import limelight as ll

    return lambda run: ll.open_run(trained(run.partition("/")[0])[2] / run)


@pytest.fixture
def sites(recorded) -> Callable[[str], list[tuple[str, str, int, int]]]:
    """A function that gives the attention a run recorded: name, kind, heads, keys."""
    return lambda run: [
        (site.name, site.kind, site.heads, site.keys) for site in recorded(run).sites.values()
    ]
