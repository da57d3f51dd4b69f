"""Other tools that draw attention: their pages, and how long a browser takes to open one.

A page has a time and a memory it may take. The end is two frames after everything is painted that
the page paints by itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import limelight as ll

#: The longest text that V8, Chromium's JavaScript, holds. All these pages keep their maps in one
#: script, so what is longer never runs, and the browser does not even say so.
LONGEST = 2**29 - 24
MOST_BYTES = 10e9
VIEWPORT = {"width": 1440, "height": 1000}

_TELLS = """
addEventListener("error", (event) => {
  console.debug("limelight failed " + (event.message || "a file did not load"));
}, true);
const done = () => PAINTED;
const tell = () => console.debug("limelight painted " + performance.now());
const look = () => {
  if (!done()) { requestAnimationFrame(look); return; }
  requestAnimationFrame(() => requestAnimationFrame(tell));
};
requestAnimationFrame(look);
"""


@dataclass(frozen=True)
class Peer:
    """Another tool.

    Attributes
    ----------
    module : str
        Its name in the Python registry.
    name : str
    all_heads : bool
        Whether its page shows all heads by itself.
    painted : str
        When everything is painted: JavaScript with the names HEADS and POSITIONS.
    """

    module: str
    name: str
    all_heads: bool
    painted: str

    def there(self) -> bool:
        """Say whether its page can be written here."""
        return f"LIMELIGHT_{self.module.upper()}_PYTHON" in os.environ or bool(
            importlib.util.find_spec(self.module)
        )


PEERS = (
    Peer(
        "bertviz",
        "BertViz's model_view",
        True,
        "document.getElementsByTagName('line').length >= HEADS * POSITIONS ** 2",
    ),
    Peer(
        "circuitsvis",
        "CircuitsVis's attention_heads",
        True,
        # One canvas more shows the chosen head. Each is blank until its chart is painted.
        "((all) => all.length > HEADS && all.every((one) => one.getContext('2d').getImageData("
        "0, one.height >> 1, one.width, 1).data.some(Boolean)))"
        "([...document.getElementsByTagName('canvas')])",
    ),
    Peer(
        "attnview",
        "attnview",
        False,
        "document.querySelectorAll('#weights tr').length >= POSITIONS",
    ),
)


@dataclass(frozen=True)
class Page:
    """A page that a tool wrote.

    Attributes
    ----------
    path : Path
    seconds : float
        What writing took.
    size : int
        Bytes.
    version : str
        The tool's.
    """

    path: Path
    seconds: float
    size: int
    version: str


@dataclass(frozen=True)
class Opened:
    """How opening a page went.

    Attributes
    ----------
    seconds : float
        Until everything was painted; the least it can be if it never was.
    why : str
        Why it never was; empty if it was.
    memory : float
        Most bytes that a renderer held.
    """

    seconds: float
    why: str
    memory: float


def save_maps(run: Path, path: Path) -> Path:
    """Keep the newest recorded step's maps of the first example for ``write``."""
    recorded = ll.open_run(run)
    maps = np.stack([recorded.weights(name, step=-1).values[0] for name in recorded.sites])
    np.savez(path, weights=maps, tokens=np.array(recorded.examples[0].tokens))
    return path


def write(module: str, maps: Path, path: Path) -> Page:
    """Let a tool write its page of some maps.

    The environment variable ``LIMELIGHT_BERTVIZ_PYTHON``, or another tool's name in between, says
    which Python has the tool; else it is this one.

    Raises
    ------
    subprocess.CalledProcessError
        If the tool fails.
    """
    python = os.environ.get(f"LIMELIGHT_{module.upper()}_PYTHON", sys.executable)
    program = Path(__file__).with_name("peer_page.py")
    done = subprocess.run(
        [python, "-P", str(program), module, str(maps), str(path)],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    return Page(path, said["seconds"], said["bytes"], said["version"])


def open_page(
    started: Any,
    page: Path,
    painted: str,
    files: dict[str, Path],
    seconds: float,
) -> Opened:
    """Open a page in a fresh context and wait until everything is painted.

    Parameters
    ----------
    started : playwright Browser
    page : Path
    painted : str
        As in a Peer, the names filled in.
    files : dict of str to Path
        Libraries for the page, by the last part of the address it asks for.
    seconds : float
        How long to wait.

    Raises
    ------
    RuntimeError
        If the page's script fails.
    """
    from playwright.sync_api import Error

    context = started.new_context(viewport=VIEWPORT)
    with watched() as memory:
        try:
            tab = context.new_page()
            tab.route(re.compile("^https://"), lambda route: _give(route, files))
            tab.add_init_script(_TELLS.replace("PAINTED", painted))
            with tab.expect_event("console", _tells, timeout=1000 * seconds) as said:
                tab.goto(page.as_uri(), wait_until="commit", timeout=1000 * seconds)
            word, _, rest = said.value.text.removeprefix("limelight ").partition(" ")
            if word == "failed":
                raise RuntimeError(f"{page.name} failed: {rest}")
            return Opened(float(rest) / 1000, "", memory.most)
        except Error as cause:
            if memory.ended:
                why = f"stopped when it held {MOST_BYTES / 1e9:.0f} GB"
                return Opened(memory.seconds, why, memory.most)
            if "Timeout" not in str(cause):
                raise
            memory.end()  # a busy page does not close
            return Opened(seconds, f"not painted within {seconds:.0f} s", memory.most)
        finally:
            context.close()


def _tells(message: Any) -> bool:
    return bool(message.text.startswith("limelight "))


def _give(route: Any, files: dict[str, Path]) -> None:
    name = route.request.url.rsplit("/", 1)[-1]
    if name in files:
        route.fulfill(path=files[name], content_type="text/javascript")
    else:
        route.abort()


class Watch(threading.Thread):
    """Looks at the memory of renderers that start from now on, and ends one that holds too much.

    Attributes
    ----------
    most : float
        Bytes held by the largest so far.
    ended : bool
        Whether one was ended for that.
    seconds : float
        When that was, after the start.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.ended, self.seconds = 0.0, False, 0.0
        self._over = threading.Event()
        self._others = {process.pid for _, process in _renderers()}

    def run(self) -> None:
        """Look four times a second."""
        looks = 0
        while not self._over.wait(0.25):
            looks += 1
            held = max((size for size, _ in self._mine()), default=0)
            self.most = max(self.most, held)
            if held > MOST_BYTES:
                self.ended, self.seconds = True, looks * 0.25
                self.end()

    def end(self) -> None:
        """End the largest renderer."""
        renderers = self._mine()
        if renderers:
            max(renderers, key=lambda pair: pair[0])[1].kill()

    def _mine(self) -> list[tuple[int, Any]]:
        return [
            (size, process) for size, process in _renderers() if process.pid not in self._others
        ]

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


@contextmanager
def watched() -> Iterator[Watch]:
    """Keep an eye on the renderers."""
    watch = Watch()
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _renderers() -> list[tuple[int, Any]]:
    import psutil

    renderers = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                renderers.append((process.memory_info().rss, process))
        except psutil.Error:  # it ended meanwhile
            continue
    return renderers
