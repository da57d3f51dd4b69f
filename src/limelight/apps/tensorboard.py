"""The Limelight tab of TensorBoard: three read-only routes and the built front end.

Room: apps. Comes in: HTTP requests TensorBoard passes on. Goes out: the catalogue as JSON, answers
as safetensors bytes, static files. TensorBoard loads this module unguarded, so that an import that
fails here would end TensorBoard itself: whatever may fail is imported when first asked for.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard import errors as tensorboard_errors
from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from limelight.apps.answer_pool import AnswerPool
from limelight.errors import (
    LimelightError,
    NotRecordedError,
    QueryError,
    StoreError,
    UnavailableError,
)

if TYPE_CHECKING:
    from limelight.apps.runs import Runs

logger = logging.getLogger(__name__)

#: No answer is larger: what a browser draws is far smaller, and a server must not be drained.
MOST_BYTES = 128 * 2**20

_BUILT = Path(__file__).parents[1] / "web"

_STATUS = {QueryError: 400, NotRecordedError: 404, StoreError: 409}

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}

#: Shown where the front end was not built, in place of an empty tab.
_UNBUILT = b"""export function render() {
  document.body.textContent =
    "Limelight's screens are missing from this installation. " +
    "Install it again from where it came (in a checkout: make build), " +
    "then start TensorBoard again.";
}
"""

_Route = Callable[["LimelightPlugin", wrappers.Request], wrappers.Response]


class LimelightPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # TensorBoard ships no types
    """Serves the tab.

    Parameters
    ----------
    context : TBContext
        What TensorBoard tells its plugins: log directory, flags, data provider.
    """

    plugin_name = "limelight"

    def __init__(self, context: Any) -> None:
        self._context = context
        self._static = _static_files(_BUILT)
        self._runs: Runs | None = None
        self._lock = threading.Lock()
        self._answers = AnswerPool()

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes under ``/data/plugin/limelight``."""
        return {
            "/catalogue": self._app(LimelightPlugin._catalogue),
            "/answer": self._app(LimelightPlugin._answer),
            "/web/*": self._app(LimelightPlugin._web),
        }

    def is_active(self) -> bool:
        """Return False: the pointer summaries of a recording make TensorBoard show the tab."""
        return False

    def frontend_metadata(self) -> Any:
        """Return the tab's name and the module that draws it."""
        return base_plugin.FrontendMetadata(
            es_module_path="/web/index.js", tab_name="Limelight", disable_reload=False
        )

    def _app(self, route: _Route) -> Any:
        """Wrap a route: GET and HEAD only, and every error as words, never as a trace."""

        @wrappers.Request.application
        def serve(request: wrappers.Request) -> wrappers.Response:
            if request.method not in ("GET", "HEAD"):
                error = LimelightError(
                    f"Got a {request.method} request.", "Wanted GET.", "Limelight only reads."
                )
                return _refuse(request, error, 405, [("Allow", "GET, HEAD")])
            try:
                return route(self, request)
            except tensorboard_errors.PublicError:
                raise  # TensorBoard's own words, which it sends itself
            except LimelightError as error:
                return _refuse(request, error, _STATUS.get(type(error), 400))
            except ImportError as cause:
                logger.exception("limelight is not whole")
                return _refuse(request, _not_whole(cause), 500)
            except Exception:  # the browser gets no trace, the log does
                logger.exception("limelight failed on %r", request.path)
                return _refuse(request, _failed(), 500)

        return serve

    def _catalogue(self, request: wrappers.Request) -> wrappers.Response:
        folders = {name: self._folder(name, path) for name, path in self._listed(request).items()}
        listed = {name: folder for name, folder in folders.items() if folder is not None}
        return _respond(request, self._open().catalogue(listed), "application/json")

    def _answer(self, request: wrappers.Request) -> wrappers.Response:
        from limelight.answer import answer, extent
        from limelight.query import Query
        from limelight.wire import encode

        query = Query.parse(dict(request.args.lists()))
        folder = self._run(query.run, self._listed(request))
        if folder is None:
            raise NotRecordedError(
                f"Got run {query.run!r}.",
                "Wanted one that TensorBoard lists and that lies under its log directory.",
                "Choose a listed run; a new one is listed after TensorBoard's next reload.",
            )
        run = self._open().open(query.run, folder)
        _within(extent(run, query))

        def compute() -> bytes:
            answered = answer(run, query)
            if query.what == "run":
                answered.attrs["run"] = query.run
            return encode(answered)

        try:
            data = self._answers.do(compute)
        except (LimelightError, OSError):
            self._open().open(query.run, folder)  # says so if the run was deleted meanwhile
            raise
        _within(len(data))
        return _respond(request, data, "application/octet-stream")

    def _web(self, request: wrappers.Request) -> wrappers.Response:
        if os.environ.get("LIMELIGHT_LIVE_WEB"):  # `make dev` builds again on every save
            self._static = _static_files(_BUILT)
        # A key of a dictionary made at start, never a path: nothing else can be reached.
        name = request.path.partition(f"/plugin/{self.plugin_name}/web/")[2]
        if name not in self._static:
            raise NotRecordedError(
                f"Got a request for file {name!r}.",
                "Wanted one of limelight's own.",
                "Reload the page; if it persists, reinstall limelight.",
            )
        kind = _TYPES.get(Path(name).suffix, "application/octet-stream")
        return _respond(request, self._static[name], kind)

    def _open(self) -> Runs:
        from limelight.apps.runs import Runs

        with self._lock:
            if self._runs is None:
                self._runs = Runs()
            return self._runs

    def _listed(self, request: wrappers.Request) -> dict[str, str]:
        """Return the runs TensorBoard lists, by name, and where each is said to lie."""
        context = plugin_util.context(request.environ)
        experiment = plugin_util.experiment_id(request.environ)
        provider = self._context.data_provider
        runs = provider.list_runs(context, experiment_id=experiment)
        # As TensorBoard's own front end has them, which colours runs by their rank.
        names = [run.run_name for run in sorted(runs, key=_started)]
        logdir = self._context.logdir
        if logdir:
            return {name: str(Path(logdir).expanduser() / name) for name in names}
        # --logdir_spec: only the multiplexer knows which folder a name stands for.
        multiplexer = self._context.multiplexer
        paths = {} if multiplexer is None else multiplexer.RunPaths()
        return {name: paths[name] for name in names if name in paths}

    def _folder(self, name: str, path: str) -> str | None:
        from limelight.apps.runs import allowed_folder

        try:
            return allowed_folder(path, self._roots())
        except (OSError, ValueError):  # a name no file system takes: NUL, too long, a loop of links
            logger.warning("limelight cannot look at run %r", name)
            return None

    def _run(self, name: str, listed: dict[str, str]) -> str | None:
        """Return the allowed folder of a listed run, or of an earlier history of one."""
        from limelight.apps.runs import historical, history

        earlier = None if name in listed else historical(name)
        run = name if earlier is None else earlier[0]
        folder = self._folder(run, listed[run]) if run in listed else None
        return folder if folder is None or earlier is None else history(folder, earlier[1])

    def _roots(self) -> list[str]:
        if self._context.logdir:
            return [str(Path(self._context.logdir).expanduser())]
        spec = getattr(self._context.flags, "logdir_spec", "") or ""
        named = (part.partition(":") for part in spec.split(",") if part)
        paths = [
            path if path and name[:1] != "/" else name + mark + path for name, mark, path in named
        ]
        return [str(Path(path).expanduser()) for path in paths]


def _started(run: Any) -> tuple[float, str]:
    """Order runs by their start; those that have not begun come last."""
    start = getattr(run, "start_time", None)
    return float("inf") if start is None else float(start), run.run_name


def _static_files(folder: Path) -> dict[str, bytes]:
    """Read the built front end: path below its folder to content."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    return files if "index.js" in files else {"index.js": _UNBUILT}


def _within(size: int) -> None:
    if size > MOST_BYTES:
        raise QueryError(
            f"Got a question whose answer takes {size / 2**20:.0f} MiB.",
            f"At most {MOST_BYTES // 2**20} MiB are sent.",
            "Ask for one example, fewer parameters, or fewer steps.",
        )


def _respond(
    request: wrappers.Request, content: Any, kind: str, status: int = 200, **more: Any
) -> wrappers.Response:
    """Answer in TensorBoard's own way: typed, not to be sniffed, not cached."""
    response: wrappers.Response = http_util.Respond(request, content, kind, status, **more)
    return response


def _refuse(
    request: wrappers.Request,
    error: LimelightError,
    status: int,
    headers: list[tuple[str, str]] | None = None,
) -> wrappers.Response:
    body = {"error": error.facts()}
    return _respond(request, body, "application/json", status, headers=headers)


def _not_whole(cause: ImportError) -> LimelightError:
    return UnavailableError(
        f"Limelight could not load {cause.name or 'one of its parts'!r}.",
        "Wanted a whole installation.",
        "Install it again from where it came, then restart TensorBoard: limelight doctor says how.",
    )


def _failed() -> LimelightError:
    return LimelightError(
        "Limelight failed on this question.",
        "Wanted an answer.",
        "TensorBoard's log on the server says why; please report it.",
    )
