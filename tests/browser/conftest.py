"""What the tests of the tab share: trained runs, a TensorBoard, pages that make no complaint."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parent))  # the tests here import tab.py and texts.py

from tab import PATIENCE, Tab
from texts import IMAGES, LIVE, POOLING, TEXT, WEIGHTS

from limelight.apps.serve import serving

HERE = Path(__file__).parent
SCREENSHOTS = HERE / "screenshots"
SCREEN = {"width": 1440, "height": 900}
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Trainer:
    """A process of its own that trains, first everything and then a step whenever it is asked."""

    def __init__(self, logdir):
        command = [sys.executable, str(HERE / "training.py"), str(logdir)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def heard(self):
        line = self.process.stdout.readline()
        assert line, "training stopped; what it wrote above says why"
        return line.strip()

    def step(self):
        """Train and record one more step of the run "live"; return its number."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.heard())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Board:
    """A TensorBoard that runs."""

    def __init__(self, server, logdir):
        self.server = server
        self.logdir = logdir
        self.address = f"http://127.0.0.1:{server.port}"

    def get(self, path):
        self.server.check()
        with urllib.request.urlopen(f"{self.address}/data/{path}", timeout=30) as response:
            return json.loads(response.read())

    def catalogue(self):
        return {run["name"]: run for run in self.get("plugin/limelight/catalogue")["runs"]}

    def lists(self, *names, there=True):
        """Wait until runs are listed, or are not."""
        until(lambda: all((name in self.catalogue()) is there for name in names), self.catalogue)


def until(true, what):
    """Wait for something to come true; fail with what was there instead."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def logdir(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def trainer(logdir, chromium_path):
    """Every run is there; the live one goes on when asked to. No Chromium, no training."""
    training = Trainer(logdir)
    try:
        yield training
    finally:
        training.stop()


@pytest.fixture(scope="session")
def board(logdir, trainer):
    """TensorBoard on all the runs."""
    with serving(logdir, free_port()) as server:  # starts while training goes on
        assert trainer.heard() == "trained"
        trainer.step()
        server.wait_until_up()
        started = Board(server, logdir)
        started.lists(TEXT, IMAGES, POOLING, WEIGHTS, LIVE)
        yield started


@pytest.fixture
def new_tab(board, browser):
    """Open tabs, each a stranger to the others; in the end, none may have had a complaint."""
    tabs = []

    def make(locale="en-US", beside=None):
        context = beside.page.context if beside else opened(browser, locale)
        tabs.append(Tab(context.new_page(), board.address))
        return tabs[-1]

    yield make
    for tab in tabs:
        tab.page.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


def opened(browser, locale):
    return browser.new_context(viewport=SCREEN, locale=locale)


@pytest.fixture(scope="module")
def open_tab(board, browser):
    """One tab for a file of tests: most of what a page costs is TensorBoard's start."""
    context = opened(browser, "en-US")
    yield Tab(context.new_page(), board.address)
    context.close()


@pytest.fixture
def tab(open_tab):
    """The open tab; a test chooses what it shows, and nothing it causes may be complained of."""
    open_tab.complaints.clear()
    yield open_tab
    assert open_tab.complaints == []


@pytest.fixture
def shoot(tab):
    """Save what is seen, for people to look at."""

    def take(name):
        SCREENSHOTS.mkdir(exist_ok=True)
        tab.ready().page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
