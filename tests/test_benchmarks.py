"""The machinery behind the figures, at tiny sizes: never how fast anything is."""

from __future__ import annotations

import importlib
import json
import math
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import libraries, memory, peers, report, runner, timing  # noqa: E402
from benchmarks.figure import Figure  # noqa: E402
from benchmarks.timing import Sample  # noqa: E402


def figure(**change):
    known = {"what": "ours against theirs", "bar": 10.0, "at_most": False, "value": 12.345}
    return Figure(**known | {"unit": "×", "absolute": "1 s against 12 s", "how": "x"} | change)


def result_of(name, *figures):
    figures = [figure.as_dict() | {"met": figure.met} for figure in figures]
    machine = {"cores": "2", "Python": "3.11"}
    return {"name": name, "day": "2026-01-02", "load": 0.1, "machine": machine, "figures": figures}


@pytest.mark.parametrize(
    ("bar", "at_most", "value", "met"),
    [
        (1.05, True, 1.05, True),
        (1.05, True, 1.051, False),
        (10, False, 10, True),
        (10, False, 9.99, False),
        (None, True, 99, True),
        (1.05, True, math.nan, False),
    ],
)
def test_a_bar_is_met_on_its_own_side(bar, at_most, value, met):
    assert figure(bar=bar, at_most=at_most, value=value).met is met


def test_rounds_are_compared_with_each_other_and_wall_time_decides_when_it_is_steady():
    shorter = [Sample(1.0, 0.5), Sample(1.02, 0.5), Sample(1.01, 0.5)]
    longer = [Sample(2.0, 2.0), Sample(2.04, 2.0), Sample(2.03, 2.0)]
    ratio = timing.ratio(longer, shorter)
    assert ratio.clock == "wall"
    assert ratio.value == pytest.approx(2.0)
    assert ratio.other == pytest.approx(4.0)
    assert ratio.high == pytest.approx(2.03 / 1.01)


def test_cpu_time_decides_when_wall_time_is_noisy():
    shorter = [Sample(1.0, 0.5), Sample(3.0, 0.5), Sample(9.0, 0.5)]
    longer = [Sample(1.0, 1.5), Sample(1.0, 1.5), Sample(1.0, 2.5)]
    ratio = timing.ratio(longer, shorter)
    assert ratio.clock == "CPU"
    assert ratio.value == pytest.approx(3.0)


def test_ways_take_turns_and_turn_round_each_round():
    order = []
    rounds = timing.in_turns(3, lambda: order.append("a"), lambda: order.append("b"))
    assert "".join(order) == "abbaab"
    assert [len(samples) for samples in rounds] == [3, 3]
    assert all(sample.wall >= 0 for samples in rounds for sample in samples)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux keeps the mark")
def test_memory_that_was_given_back_still_counts():
    size = 64 * 2**20
    taken = memory.peak_above(lambda: int(np.ones(size, np.uint8)[::4096].sum()))
    assert 0.9 * size < taken < 2 * size


def test_the_page_names_each_figure_beside_its_bar_and_says_when_one_is_missed():
    page = report.text(
        [
            result_of("weights", figure()),
            result_of("disk", figure(bar=0.6, at_most=True, value=0.71234, unit="")),
        ]
    )
    assert "| ours against theirs | ≥ 10× | 12.3× | met |" in page
    assert "| ours against theirs | ≤ 0.6 | 0.712 | **not met** |" in page
    assert "1 s against 12 s" in page
    assert "measured: 2026-01-02" in page


def test_the_page_waits_until_all_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "_measure_apart", lambda name, results, tiny: None)
    results, page = tmp_path / "results", tmp_path / "page.md"
    results.mkdir()
    arguments = ["--results", str(results), "--report", str(page)]
    for name in runner.NAMES[:-1]:
        (results / f"{name}.json").write_text(json.dumps(result_of(name, figure())), "utf-8")
    assert runner.main(arguments) == 0
    assert not page.exists()
    assert runner.NAMES[-1] in capsys.readouterr().out
    missed = json.dumps(result_of(runner.NAMES[-1], figure(value=1.0)))
    (results / f"{runner.NAMES[-1]}.json").write_text(missed, "utf-8")
    assert runner.main(arguments) == 1
    assert "bar not met" in capsys.readouterr().err
    assert "**not met**" in page.read_text("utf-8")


def test_the_written_page_names_no_host_and_no_folder():
    page = ROOT / "docs" / "benchmarks.md"
    if not page.exists():
        pytest.skip("not measured yet")
    text = page.read_text("utf-8")
    assert socket.gethostname() not in text
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


@pytest.mark.training
def test_logging_weights_is_measured_from_end_to_end(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--tiny", "--only", "weights",
         "--results", str(tmp_path), "--report", str(tmp_path / "page.md")],
        capture_output=True, text=True, timeout=500, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "LimelightWarning" not in done.stderr
    result = json.loads((tmp_path / "weights.json").read_text("utf-8"))
    assert [figure["unit"] for figure in result["figures"]] == ["×", ""]
    assert all(0 <= figure["value"] < math.inf for figure in result["figures"])
    assert not (tmp_path / "page.md").exists()


@pytest.mark.training
def test_training_is_measured_with_a_recording_each(tmp_path, monkeypatch):
    from benchmarks import training

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lstm, transformer = training.measure(tiny=True)
    assert "LSTM" in lstm.what
    assert "Transformer" in transformer.what
    assert 0 < lstm.value < math.inf
    assert 0 < transformer.value < math.inf


@pytest.mark.training
def test_bytes_on_disk_are_those_of_a_whole_recording():
    from benchmarks import disk

    figures = disk.measure(tiny=True)
    for exact, compact in (figures[:2], figures[2:]):
        assert 0 < compact.value < exact.value
        assert "largest error 0 " not in compact.absolute
        assert "; 0 from the nearest float16" in exact.absolute


@pytest.fixture
def one_process(monkeypatch):
    """Measure memory here: loading frameworks anew is proved by the one that measures weights."""

    def here(module, name, tiny):
        return importlib.import_module(module)._apart(name, tiny)

    monkeypatch.setattr("benchmarks.memory.apart", here)


@pytest.mark.usefixtures("one_process")
def test_long_attention_is_measured_stored_small_viewed_and_searched():
    from benchmarks import long

    *passes, short, longer, view, search = long.measure(tiny=True)
    assert [figure.at_most for figure in passes] == [True, True, False, True]
    assert all(0 <= figure.value < math.inf for figure in passes)
    assert float(passes[2].absolute.split()[-5]) < 1e-5  # the same numbers either way
    assert 0 < longer.value < short.value < 1
    assert 0 < view.value < math.inf
    assert "float16 vectors" in short.absolute
    assert search.met, search.absolute


@pytest.mark.training
@pytest.mark.usefixtures("one_process")
def test_capturing_is_measured_at_each_length_and_in_memory():
    from benchmarks import capture

    figures = capture.measure(tiny=True)
    assert len(figures) == 3 * len(capture.TINY.lengths) + 1
    assert all(0 < figure.value < math.inf for figure in figures[:-1])
    assert "all maps take 0 MB" in figures[-1].absolute  # what all maps of the tiny model take


@pytest.mark.training
def test_gates_are_measured_in_a_step_and_in_sweeps():
    from benchmarks import gates

    figures = gates.measure(tiny=True)
    assert [figure.at_most for figure in figures] == [True, True, True, False, False]
    assert all(0 < figure.value < math.inf for figure in figures)


@pytest.mark.training
def test_studies_are_measured_beside_the_limit_of_sharing(monkeypatch):
    from benchmarks import studies

    monkeypatch.setattr(studies, "_workers", lambda scale: studies.Figure("none", 0.9, False, 1.0))
    figures = studies.measure(tiny=True)
    assert [figure.at_most for figure in figures] == [False] * 5 + [True]
    assert all(math.isfinite(figure.value) for figure in figures)
    limit = re.search(r"before a head is ([\d.]+)×", figures[0].absolute)
    assert 1.2 < float(limit[1]) < 1.9


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The address of a TensorBoard that shows a tiny Transformer's run."""
    from benchmarks import browser as servers
    from benchmarks import models, painted

    logs = tmp_path_factory.mktemp("shown")
    scale = painted.TINY
    models.record(logs / "run", scale.sizes, 8, scale.every, scale.steps)
    with servers.tensorboard(logs) as address:
        yield address


@pytest.mark.browser
@pytest.mark.training
def test_the_page_of_weights_is_measured_on_a_planted_recording(tmp_path, browser):
    from benchmarks import browser as servers
    from benchmarks import weights_page

    scale = weights_page.TINY
    weights_page.plant(tmp_path / "logs" / "deep", scale.steps, scale.tensors)
    with servers.tensorboard(tmp_path / "logs") as address:
        assert 0 < weights_page.first_paint(browser, address) < math.inf
        times = weights_page.deeds(browser, address, scale)
    assert set(times) == {"hover", "filter", "step"}
    assert all(len(values) == scale.rounds and min(values) > 0 for values in times.values())


@pytest.mark.browser
@pytest.mark.training
def test_a_click_is_measured_in_the_tab(tmp_path, browser, monkeypatch, shown):
    from benchmarks import painted

    monkeypatch.setattr(painted, "OUTPUT", tmp_path)
    times = painted.click(browser, shown, painted.TINY)
    assert len(times) == painted.TINY.steps - 1
    assert all(0 < milliseconds < math.inf for milliseconds in times)
    assert (tmp_path / "limelight.png").stat().st_size > 10_000


@pytest.mark.browser
def test_a_page_of_lines_is_measured_until_its_last_line(tmp_path, browser, monkeypatch):
    """The page stands in for BertViz's: it loads a library from afar, and draws late."""
    from benchmarks import painted

    monkeypatch.setattr(painted, "OUTPUT", tmp_path)
    sizes = painted.TINY.sizes
    lines = sizes.layers * sizes.heads * sizes.positions**2
    library = tmp_path / "library.js"
    library.write_text("const svg = document.body.appendChild(document.createElement('svg'));")
    page = tmp_path / "page.html"
    page.write_text(
        "<body><script src='https://a.invalid/1/d3.min.js'></script><script>setTimeout(() => {"
        f"for (let i = 0; i < {lines}; i++) svg.append(document.createElement('line'));"
        "}, 300)</script></body>"
    )
    files = dict.fromkeys(libraries.WANTED, library)
    assert painted.draw(browser, page, files, painted.TINY) > 300
    with pytest.raises(RuntimeError, match="failed"):
        painted.draw(browser, page, {}, painted.TINY)


@pytest.mark.browser
@pytest.mark.training
def test_opening_is_measured_from_the_address_to_both_pictures(
    tmp_path, browser, monkeypatch, shown
):
    from benchmarks import opened

    monkeypatch.setattr(opened, "OUTPUT", tmp_path)
    times = opened.open_tab(browser, shown)
    assert 0 < times.shell < times.painted < math.inf
    assert (tmp_path / "opened.png").stat().st_size > 10_000


def late(folder, script):
    page = folder / "page.html"
    page.write_text(f"<body><script>{script}</script></body>")
    return page


@pytest.mark.browser
def test_another_page_is_watched_until_it_is_painted_fails_or_takes_too_long(tmp_path, browser):
    pytest.importorskip("psutil")
    drawing = "setTimeout(() => document.body.append(document.createElement('canvas')), 300)"
    painted = "document.querySelector('canvas')"
    page = peers.open_page(browser, late(tmp_path, drawing), painted, {}, 30)
    assert page.seconds > 0.3  # it draws no sooner
    assert not page.why
    with pytest.raises(RuntimeError, match="failed: Uncaught Error: no"):
        peers.open_page(browser, late(tmp_path, "throw new Error('no')"), painted, {}, 30)
    busy = peers.open_page(browser, late(tmp_path, "while (true);"), painted, {}, 2)
    assert (busy.seconds, busy.why) == (2, "not painted within 2 s")


@pytest.mark.browser
def test_a_page_that_holds_too_much_is_stopped(tmp_path, browser, monkeypatch):
    pytest.importorskip("psutil")
    monkeypatch.setattr(peers, "MOST_BYTES", 4e8)
    hoard = "const all = []; setInterval(() => all.push(new Uint8Array(5e7).fill(1)), 10)"
    page = peers.open_page(browser, late(tmp_path, hoard), "false", {}, 60)
    assert page.why.startswith("stopped when it held")
    assert page.memory > 4e8


def theirs(name, seconds, why="", size=10**8, positions=256):
    from benchmarks.opened import Theirs

    peer = next(candidate for candidate in peers.PEERS if candidate.module == name)
    page = peers.Page(Path("page.html"), 1.0, size, "1.0")
    return Theirs(peer, positions, page, peers.Opened(seconds, why, 1e9))


@pytest.mark.training
def test_only_tools_that_show_all_heads_are_compared_and_a_limit_is_only_a_bound():
    from benchmarks import opened

    ours = [opened.Tab(painted=2.0, shell=1.5)]
    faster = opened._faster(
        "heads", ours, [theirs("attnview", 1), theirs("bertviz", 120, "not painted")], 120
    )
    assert faster.value == 60
    assert faster.absolute.startswith("at least")
    assert "without TensorBoard's own page 240 times" in faster.how
    faster = opened._faster("heads", ours, [theirs("circuitsvis", 50), theirs("bertviz", 60)], 120)
    assert faster.value == 25
    assert not faster.absolute.startswith("at least")
    assert not opened._faster("heads", ours, [], 120).met


@pytest.mark.training
def test_a_page_that_no_browser_runs_is_not_written(tmp_path, monkeypatch):
    from benchmarks import opened

    monkeypatch.setattr(peers, "write", lambda *_: pytest.fail("it was written"))
    shorter = [theirs("bertviz", 7.0)]
    unwritten = opened._theirs(None, peers.PEERS[0], tmp_path, opened.FULL, 1024, {}, shorter)
    assert unwritten.page is None
    assert unwritten.opened.seconds == 7.0
    assert "does not run a script of 1.6 GB" in unwritten.opened.why


@pytest.mark.browser
def test_moving_about_is_measured_by_frames_memory_and_elements(tmp_path, browser):
    pytest.importorskip("psutil")
    from benchmarks import browser as servers
    from benchmarks import long_store, panned

    size = panned.TINY[1]
    long_store.write(tmp_path / "logs" / "run", size)
    with servers.tensorboard(tmp_path / "logs") as address:
        moved = panned.move(browser, address, size)
    assert moved.intervals
    assert all(0 <= interval < math.inf for interval in moved.intervals)
    assert 100 < moved.elements < 5000
    assert moved.memory > 0
    assert [figure.at_most for figure in panned._figures(size, moved, "1")] == [True] * 3
