"""What stands in the layers of a Keras model while a context lasts.

Room: capture, Keras. Layers are changed one by one, in their own ``__dict__``, and put back
afterwards, also after an error. Knows which layers run, how often a layer has attended in the call
under way, and whether anybody is to be left alone just now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.recognise.layouts import Layout
from limelight.errors import LimelightError


class Standing:
    """Stands in a model; what it does there, a subclass says.

    Parameters
    ----------
    model : keras.Layer

    Attributes
    ----------
    model : keras.Layer
    running : list of keras.Layer
        Those that run now, innermost last.
    sleeps : bool
        Whether the model is to be left alone just now.
    error : LimelightError or None
        Raised inside a layer. Keras wraps such errors; it comes out as it is.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.running: list[Any] = []
        self.sleeps = False
        self.error: LimelightError | None = None
        self._counts: dict[str, int] = {}
        self._depth = 0
        self._undo = ExitStack()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make ready for an outermost call of the model.

        Parameters
        ----------
        args, kwargs : tuple, dict
            What it is called with.
        """

    def end(self) -> None:
        """Look at what an outermost call did."""

    def stand(self) -> None:
        """Change the layers that are known as the context begins."""

    @contextmanager
    def standing(self, mode: AbstractContextManager[Any] | None = None) -> Iterator[None]:
        """Change layers while the context lasts.

        Parameters
        ----------
        mode : context manager, optional
            How the framework runs meanwhile: function by function, unless said otherwise.

        Yields
        ------
        None
        """
        import keras

        with backend().uncompiled() if mode is None else mode, self._undo:
            self.stand()
            # Keras wraps errors inside a call; those of ours must come out as they are.
            original = keras.layers.Layer.__call__
            self._undo.callback(setattr, keras.layers.Layer, "__call__", original)
            keras.layers.Layer.__call__ = self._around(original)
            call = self.model.call  # stateless_call() comes this way only

            def called(*args: Any, **kwargs: Any) -> Any:
                return self._entered(call, args, kwargs)

            self.replace(self.model, "call", called)
            yield

    def _around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            self.running.append(layer)
            try:
                run = partial(original, layer)
                if layer is not self.model:
                    return run(*args, **kwargs)
                return self._entered(run, args, kwargs)
            finally:
                self.running.pop()

        return called

    def _entered(
        self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make ready for a call of the model, and do it."""
        if self._depth or self.sleeps:
            return run(*args, **kwargs)
        self.begin(args, kwargs)
        self._counts.clear()
        self._depth += 1
        try:
            outputs = run(*args, **kwargs)
        except Exception:
            error, self.error = self.error, None
            if error is not None:
                raise error from None
            raise
        finally:
            self._depth -= 1
        self.end()
        return outputs

    def layers(self) -> dict[str, Any]:
        """Return every layer of the model by its path."""
        names = keras_names.paths(self.model)
        return {names[id(layer)]: layer for layer in self.model._flatten_layers()
                if id(layer) in names}  # fmt: skip

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put an attribute into an object's own ``__dict__`` until the context ends.

        Parameters
        ----------
        owner : object
        name : str
        value : object
        """
        attributes = owner.__dict__
        if name in attributes:
            self._undo.callback(attributes.__setitem__, name, attributes[name])
        else:
            self._undo.callback(attributes.pop, name, None)
        attributes[name] = value

    def next_layout(self, path: str, sites: Mapping[str, Sequence[Layout]]) -> Layout | None:
        """Count that a layer attends once more, and say what it is.

        Parameters
        ----------
        path : str
        sites : mapping of str to sequence of Layout
            What each layer's softmaxes are, in the order they run.

        Returns
        -------
        Layout or None
            None where the layer is not known.
        """
        count = self._counts.get(path, 0)
        self._counts[path] = count + 1
        rows = sites.get(path or keras_names.name_of(self.model), [])
        return rows[min(count, len(rows) - 1)] if rows else None  # a loop may take more steps

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Leave the model alone for a while.

        Yields
        ------
        None
        """
        before, self.sleeps = self.sleeps, True
        try:
            yield
        finally:
            self.sleeps = before

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let calls inside count as outermost ones: runs that nobody gets.

        Yields
        ------
        None
        """
        depth, self._depth = self._depth, 0
        running = self.running[:]
        self.running.clear()
        try:
            yield
        finally:
            self._depth = depth
            self.running[:] = running


def path_of(site: str, paths: Iterable[str]) -> str:
    """Return the path of the layer that a site is in; ``""`` for the model itself.

    Parameters
    ----------
    site : str
    paths : iterable of str
        Those of the model's layers.

    Returns
    -------
    str
    """
    known = set(paths)
    for name in (site, site.rpartition(":")[0], site.removesuffix("/softmax")):
        if name in known:
            return name
    return "" if "/" not in site else site
