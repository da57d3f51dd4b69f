"""The Limelight tab of TensorBoard: three read-only routes and the built front end.

Room: apps. Comes in: HTTP requests TensorBoard passes on. Goes out: the catalogue as JSON, answers
as safetensors bytes, static files. TensorBoard loads this module unguarded, so that an import that
fails here would end TensorBoard itself: nothing of ours but the files of the front end is imported
before it is asked for, and what cannot be loaded then is told in the tab.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard import errors as tensorboard_errors
from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from limelight.apps.front import BUILT, STATUS, compressed, kind_of, static_files

if TYPE_CHECKING:
    from limelight.apps.desk import Desk

logger = logging.getLogger(__name__)

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
        self._static = static_files(BUILT)
        self._opened: Desk | None = None
        self._lock = threading.Lock()

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
                return _refuse(request, 405, "error", f"Got a {request.method} request.",
                               "Wanted GET.", "Limelight only reads.",
                               headers=[("Allow", "GET, HEAD")])  # fmt: skip
            try:
                return route(self, request)
            except tensorboard_errors.PublicError:
                raise  # TensorBoard's own words, which it sends itself
            except Exception as cause:  # noqa: BLE001  # the browser gets no trace, the log does
                return _refused(request, cause)

        return serve

    def _catalogue(self, request: wrappers.Request) -> wrappers.Response:
        desk = self._desk()
        return _respond(request, desk.catalogue(self._listed(request)), "application/json")

    def _answer(self, request: wrappers.Request) -> wrappers.Response:
        accepted = request.accept_encodings.quality("gzip") > 0

        def pack(data: bytes) -> tuple[bytes, str | None]:
            return compressed(data) if accepted else (data, None)

        fields = dict(request.args.lists())
        connection = request.environ.get("werkzeug.socket")
        data, encoding = self._desk().answer(
            fields, self._listed(request), wanted=lambda: _is_there(connection), pack=pack
        )
        return _respond(request, data, "application/octet-stream", content_encoding=encoding,
                        headers=[("Vary", "Accept-Encoding")])  # fmt: skip

    def _web(self, request: wrappers.Request) -> wrappers.Response:
        if os.environ.get("LIMELIGHT_LIVE_WEB"):  # `make dev` builds again on every save
            self._static = static_files(BUILT)
        # A key of a dictionary made at start, never a path: nothing else can be reached.
        name = request.path.partition(f"/plugin/{self.plugin_name}/web/")[2]
        if name not in self._static:
            return _refuse(request, 404, "not-recorded", f"Got a request for file {name!r}.",
                           "Wanted one of limelight's own.",
                           "Reload the page; if it persists, install limelight again.")  # fmt: skip
        return _respond(request, self._static[name], kind_of(name))

    def _desk(self) -> Desk:
        with self._lock:
            if self._opened is None:
                try:
                    from limelight.apps.desk import Desk

                    self._opened = Desk(self._roots())
                except (Exception, SystemExit) as cause:  # whatever a broken file of ours does
                    raise _NotWhole(cause) from cause
            return self._opened

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

    def _roots(self) -> list[str]:
        if self._context.logdir:
            return [str(Path(self._context.logdir).expanduser())]
        spec = getattr(self._context.flags, "logdir_spec", "") or ""
        named = (part.partition(":") for part in spec.split(",") if part)
        paths = [
            path if path and name[:1] != "/" else name + mark + path for name, mark, path in named
        ]
        return [str(Path(path).expanduser()) for path in paths]


class _NotWhole(Exception):  # noqa: N818  # what it says is told in words
    """A part of limelight could not be loaded."""


def _started(run: Any) -> tuple[float, str]:
    """Order runs by their start; those that have not begun come last."""
    start = getattr(run, "start_time", None)
    return float("inf") if start is None else float(start), run.run_name


def _is_there(connection: socket.socket | None) -> bool:
    """Say whether a client still waits at the other end; True where that cannot be told."""
    if connection is None:
        return True
    try:
        ready, _, _ = select.select([connection], [], [], 0)
        return not ready or connection.recv(1, socket.MSG_PEEK) != b""
    except (OSError, ValueError):  # reset, or closed here
        return False


def _respond(
    request: wrappers.Request, content: Any, kind: str, status: int = 200, **more: Any
) -> wrappers.Response:
    """Answer in TensorBoard's own way: typed, not to be sniffed, not cached."""
    response: wrappers.Response = http_util.Respond(request, content, kind, status, **more)
    return response


def _refuse(
    request: wrappers.Request,
    status: int,
    code: str,
    came: str,
    wanted: str,
    fix: str,
    headers: list[tuple[str, str]] | None = None,
) -> wrappers.Response:
    body = {"error": {"code": code, "came": came, "wanted": wanted, "fix": fix}}
    return _respond(request, body, "application/json", status, headers=headers)


def _refused(request: wrappers.Request, cause: Exception) -> wrappers.Response:
    """Say why there is no answer; looks at errors of ours without importing them."""
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(cause).__mro__}
    if "limelight.errors.LimelightError" in kinds:
        facts = cause.facts()  # type: ignore[attr-defined]  # that is what such an error has
        return _refuse(request, STATUS.get(facts["code"], 400), **facts)
    if "limelight.apps.answer_pool.Unwanted" in kinds:  # nobody reads this
        return _refuse(request, 503, "unavailable", "You are gone.", "Wanted you.", "Come back.")
    if isinstance(cause, _NotWhole | ImportError | SyntaxError):
        logger.error("limelight is not whole", exc_info=cause)
        return _refuse(request, 500, "unavailable", _missing(cause), "Wanted a whole installation.",
                       "Install it again from where it came, then restart TensorBoard: "
                       "limelight doctor says how.")  # fmt: skip
    logger.error("limelight failed on %r", request.path, exc_info=cause)
    return _refuse(request, 500, "error", "Limelight failed on this question.",
                   "Wanted an answer.",
                   "TensorBoard's log on the server says why; please report it.")  # fmt: skip


def _missing(cause: BaseException) -> str:
    cause = cause.__cause__ or cause
    if isinstance(cause, ImportError):
        return f"Limelight could not load {cause.name or 'one of its parts'!r}."
    what = f"{type(cause).__name__}: {str(cause)[:160]}"
    return f"Limelight could not load one of its parts ({what})."
