"""Stands wherever a Keras model attends, at sites that the model itself is asked for.

Room: capture, Keras. Comes in: a model, which of its sites are meant, and what to do there. What
attends is met where the backend computes it, a kernel or a softmax, in layers of Keras' own as in
those of others; a site that runs and is not met there is an error, never left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from limelight.capture.gating.scope import Scope
from limelight.capture.keras import names as keras_names
from limelight.capture.keras import once
from limelight.capture.keras.backends.backend import dtype_of
from limelight.capture.keras.gates.elsewhere import elsewhere
from limelight.capture.keras.gates.hooking import met, runs
from limelight.capture.keras.gates.standing import Standing
from limelight.capture.keras.gates.trials import probe_of
from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import GateError, LimelightError, ProbeError


@dataclass(frozen=True, eq=False)
class Meeting:
    """A function that attends, or takes a softmax, about to be called.

    Attributes
    ----------
    layout : Layout
        What it is.
    function : callable
    kernel : bool
        Whether it attends: queries, keys and values come in. Else scores do.
    args, kwargs : tuple, dict
    """

    layout: Layout
    function: Callable[..., Any]
    kernel: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Call it as it would have been called."""
        return self.function(*self.args, **self.kwargs)


class Door(Standing):
    """Does something wherever a model attends.

    Parameters
    ----------
    model : keras.Layer
    scope : Scope
        At which sites.
    act : callable
        Takes a :class:`Meeting`, returns what shall come out.
    fresh : callable, optional
        Called before each outermost call of the model.
    """

    def __init__(
        self,
        model: Any,
        scope: Scope,
        act: Callable[[Meeting], Any],
        fresh: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(model)
        self._scope, self._act, self._fresh = scope, act, fresh
        self._sites: dict[str, list[Layout]] = {}
        self._forms: set[Any] = set()
        self._hooks: dict[str, tuple[Any, Callable[..., Any]]] = {}
        self._ran: set[str] = set()
        self._met: set[str] = set()

    @contextmanager
    def open(self, mode: AbstractContextManager[Any] | None = None) -> Iterator[None]:
        """Act while the context lasts.

        Parameters
        ----------
        mode : context manager, optional
            As :meth:`Standing.standing` takes it.

        Yields
        ------
        None

        Raises
        ------
        GateError
            As the context ends, if the model was never called inside.
        """
        with self.standing(mode):
            yield
            if not self._met:
                raise GateError(
                    "Got a context in which none of the model's attention ran.",
                    "Wanted the model to run inside the with.",
                    "Call the model itself there, not an exported or earlier traced copy of it.",
                )

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find the sites of a call of a form that was not met before."""
        form = _form((args, kwargs))
        if form not in self._forms:
            layouts = elsewhere(self.model, lambda: self._discovered(args, kwargs))
            if layouts is None:  # the call will fail by itself, and say why in its own words
                return
            self._sites = layouts
            self._scope.check(layout.site for layout in self._every())
            self._hook()
            self._forms.add(form)
        for layer, watched in self._hooks.values():  # a capture inside puts back what came with it
            vars(layer)["call"] = watched
        self._ran.clear()
        self._fresh()

    def end(self) -> None:
        """Make sure that the sites of layers that ran were met."""
        for path in self._ran:
            for layout in self._sites.get(path or keras_names.name_of(self.model), ()):
                if layout.site and self._scope.meant(layout.site) and layout.site not in self._met:
                    raise self._unreached(layout.site)

    def _every(self) -> list[Layout]:
        return [layout for rows in self._sites.values() for layout in rows if layout.site]

    def _discovered(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, list[Layout]] | None:
        """Run the call aside, and say what each layer's softmaxes are; None if it fails."""
        said = self._scope.choice
        try:
            probe = probe_of(self.model, args, kwargs).changed(
                include=said.include, exclude=said.exclude, axes=said.axes
            )
            with self.asleep():
                return once.laid_out(self.model, probe)[1]
        except ProbeError:
            return None

    def _hook(self) -> None:
        layers = self.layers()
        own_name = keras_names.name_of(self.model)
        for name, rows in self._sites.items():
            meant = [row.site for row in rows if row.site and self._scope.meant(row.site)]
            path = name if name in layers else "" if name == own_name else None
            if not meant or path in self._hooks:
                continue
            if path is None:
                raise self._unreached(meant[0])
            self._hooks[path] = layers[path], self._changed(layers[path], path)
            self.replace(layers[path], "call", self._hooks[path][1])

    def _changed(self, layer: Any, path: str) -> Callable[..., Any]:
        call = layer.call
        mine = partial(runs, layer, self.running, self.model)

        def act(
            function: Callable[..., Any],
            kernel: bool,
            args: tuple[Any, ...],
            kwargs: dict[str, Any],
        ) -> Any:
            return self._meet(path, function, kernel, args, kwargs)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.sleeps:
                return call(*args, **kwargs)
            with met(act, mine):
                outputs = call(*args, **kwargs)
            self._ran.add(path)
            return outputs

        return watched

    def _meet(
        self, path: str, function: Callable[..., Any], kernel: bool, args: Any, kwargs: Any
    ) -> Any:
        layout = None if self.sleeps else self.next_layout(path, self._sites)
        if layout is None or not layout.site or not self._scope.meant(layout.site):
            return function(*args, **kwargs)
        self._met.add(layout.site)
        try:
            return self._act(Meeting(layout, function, kernel, args, kwargs))
        except LimelightError as error:
            self.error = error
            raise

    def _unreached(self, site: str) -> GateError:
        return GateError(
            f"Got {site!r}, whose softmax runs where nothing can be changed: in no layer of the "
            "model, or by a name of its own.",
            "Wanted a layer that calls keras.ops.softmax, keras.ops.dot_product_attention, or the "
            "framework's own by its full name.",
            "Let the layer call one of these, or leave the site out by sites=.",
        )


def _form(value: Any) -> Any:
    """Return the form of what a model is called with: shapes and types of its tensors."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return tuple(value.shape), dtype_of(value)
    if isinstance(value, dict):
        return tuple((name, _form(part)) for name, part in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(_form(part) for part in value)
    return repr(value) if isinstance(value, bool | int | float | str) else None
