"""The screens without TensorBoard: who may ask, what is read, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import planted  # the planted runs lie beside the golden answers made from them

from limelight.apps.show import showing
from limelight.errors import NotRecordedError, UnavailableError
from limelight.wire import decode


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    planted.write(folder / "words & <b>文</b>", planted.words)
    return folder


@pytest.fixture(scope="module")
def shown(logdir):
    with showing(logdir, 0) as server:
        yield server


@contextmanager
def asked(port, path, method="GET", body=None, **headers):
    """A response to one request, with headers as another program would send them."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def status(*args, **headers):
    with asked(*args, **headers) as response:
        body = response.read()
        if response.status >= 400:
            assert set(json.loads(body)["error"]) == {"code", "came", "wanted", "fix"}
        return response.status


def test_it_serves_the_page_its_files_the_runs_and_their_answers(shown):
    with asked(shown.port, "/") as page:
        assert page.status == 200
        assert b"start.js" in page.read()
    with asked(shown.port, "/web/index.js") as script:
        assert script.headers["Content-Type"] == "text/javascript"
    with asked(shown.port, "/catalogue") as listed:
        (run,) = json.loads(listed.read())["runs"]
    assert (run["name"], run["problem"]) == ("words & <b>文</b>", None)
    with asked(shown.port, "/answer?what=grid&run=words+%26+%3Cb%3E%E6%96%87%3C%2Fb%3E") as answer:
        assert "cells_0" in decode(answer.read())


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "[::1]:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/catalogue", "/web/index.js"])
def test_pages_and_names_of_others_are_refused(shown, headers, path):
    headers = {name: value.format(port=shown.port) for name, value in headers.items()}
    assert status(shown.port, path, **headers) == 403


def test_its_own_pages_and_links_to_it_are_not(shown):
    address = f"http://localhost:{shown.port}"
    assert status(shown.port, "/catalogue", Host=address[7:], Origin=address) == 200
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert status(shown.port, "/", **followed) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/web/../../pyproject.toml",
        "/web/%2e%2e/x",
        "/web/",
        "//evil.example/",
        "/run",
    ],
)
def test_nothing_but_its_own_files_is_sent(shown, path):
    assert status(shown.port, path) == 404


def test_it_only_reads(shown):
    for method in ("POST", "PUT", "DELETE"):
        assert status(shown.port, "/catalogue", method, b"{}") in (405, 501)
    assert status(shown.port, "/run", "POST", b"{}") == 405  # no model was given
    assert status(shown.port, "/answer?what=run&run=nothing") == 404
    assert status(shown.port, "/answer?what=everything") == 400


def test_what_it_sends_may_load_nothing_from_elsewhere(shown):
    with asked(shown.port, "/") as page:
        policy = page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_it_listens_on_this_machine_alone(shown):
    others = {known[4][0] for known in socket.getaddrinfo(socket.gethostname(), None)}
    for address in others - {"127.0.0.1", "::1"}:
        if ":" in address or address.startswith("127."):
            continue
        with socket.socket() as trial:
            trial.settimeout(2)
            assert trial.connect_ex((address, shown.port)) != 0


def test_a_new_run_is_there_without_a_restart(tmp_path):
    with showing(tmp_path, 0) as server:
        planted.write(tmp_path / "late", planted.words, steps=planted.STEPS[:1])
        server.folders._looked = float("-inf")
        assert list(server.listed()) == ["late"]
        shutil.rmtree(tmp_path / "late")
        server.folders._looked = float("-inf")
        assert server.listed() == {}


def test_a_link_out_of_the_log_directory_is_not_followed(logdir, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "out").symlink_to(next(logdir.iterdir()))
    with showing(tmp_path / "logs", 0) as server:
        assert status(server.port, "/answer?what=run&run=out") == 404


def test_what_cannot_be_served_is_said(logdir, shown, tmp_path):
    with pytest.raises(NotRecordedError, match="not a folder"), showing(tmp_path / "no", 0):
        pass
    with pytest.raises(UnavailableError, match="taken"), showing(logdir, shown.port):
        pass


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(logdir, ending):
    command = [sys.executable, "-m", "limelight.apps.cli", "show", str(logdir)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    address = process.stdout.readline().split(" at ")[1].strip()
    port = int(address.rstrip("/").rpartition(":")[2])
    assert status(port, "/catalogue") == 200
    process.send_signal(ending)
    _, trouble = process.communicate(timeout=30)
    assert trouble == ""
    assert process.returncode == (0 if ending == signal.SIGINT else 128 + signal.SIGTERM)
    with socket.socket() as trial:
        assert trial.connect_ex(("127.0.0.1", port)) != 0
