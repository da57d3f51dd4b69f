"""What a framework's adapter offers, and which adapter knows a model.

Room: capture. An adapter is a folder of this one, or a module or object that another package
registers under the entry point ``limelight.capture``, with the members of :class:`Adapter`. Ours
are found by looking into the folder; their faces load no framework, and nothing of their rooms.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import xarray as xr
from numpy.typing import NDArray

from limelight import renamed
from limelight.catalogue import registered
from limelight.errors import UnsupportedModelError

if TYPE_CHECKING:
    from limelight.capture import keras, torch
    from limelight.capture.contribution import Contribution
    from limelight.capture.gating.cutting import Cut
    from limelight.capture.gating.gates import Gates
    from limelight.capture.gating.scope import Scope
    from limelight.capture.probe import Probe
    from limelight.capture.recognition import Softmax


@dataclass(frozen=True)
class Parameter:
    """A parameter as an adapter reads it, where there is more to say than its values.

    Attributes
    ----------
    shape : tuple of int
    values : array or callable, optional
        None where it has none in this process; a function that returns them where that is dear.
    trainable : bool
        False: frozen.
    note : str
        What the values are, if not the parameter's own, or why there are none.
    mark : tuple, optional
        Of a large frozen one: another when its values are, and far cheaper to come by than what
        they are summed up to, which is then remembered.
    dtype : str
        In which it is computed with, where that is not the type of ``values``.
    """

    shape: tuple[int, ...]
    values: NDArray[Any] | Callable[[], NDArray[Any]] | None
    trainable: bool = True
    note: str = ""
    mark: tuple[Any, ...] | None = None
    dtype: str = ""


class Adapter(Protocol):
    """What a framework's folder offers; every member but ``matches`` is called with its model.

    Beside these, an adapter may offer ``every_parameter(model)``: as ``named_parameters``, with a
    :class:`Parameter` for each, also for those that are frozen or cannot be read.
    """

    def matches(self, model: Any) -> bool:
        """Say whether this framework made the model; must not import it to find out."""

    def watch(self, model: Any, probe: Probe, examples: Sequence[int] | None) -> xr.DataTree:
        """Run the model once on the probe, as it says; return these examples' attention.

        One node for each site. The probe's ``include``, ``exclude`` and ``axes`` count, whatever
        the adapter would say; its ``call`` is how the model is run.
        """

    def softmaxes(
        self, model: Any, probe: Probe, example: int | None
    ) -> tuple[str, list[Softmax], list[str]]:
        """Run the model once; return its name, a record of every softmax, and notes.

        Notes say what else may hide attention. Given an example, records hold its values.
        """

    def named_parameters(self, model: Any) -> dict[str, NDArray[Any]]:
        """Return every trainable parameter under a name that stays the same from run to run."""

    def gate(self, model: Any, gates: Gates) -> AbstractContextManager[None]:
        """Gate heads of the model while a context lasts."""

    def sweep(self, model: Any, probe: Probe, gates: Sequence[Gates], batched: Any) -> list[Any]:
        """Run the model under each of several gatings, and return what it returns each time."""

    def heads(self, model: Any, probe: Probe) -> dict[str, int]:
        """Return every site whose heads can be gated, in the order they run, and how many."""

    def measured(
        self, model: Any, probe: Probe, gates: Sequence[Gates], metric: Any, targets: Any
    ) -> NDArray[Any]:
        """Return a metric [gating, example]; a gating of no sites is the model as it is."""

    def gate_gradients(
        self, model: Any, probe: Probe, heads: Mapping[str, int], metric: Any, targets: Any
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Return a metric [example], and its gradients [example, head] by each site's gates."""

    def cut(self, model: Any, cut: Cut) -> AbstractContextManager[None]:
        """Let queries attend to some keys only while a context lasts."""

    def attended(self, model: Any, scope: Scope) -> AbstractContextManager[Mapping[str, Any]]:
        """Let each call leave its weights [example, head, query, key] in the graph, by site.

        What the model returns stays as it is; weights are those before dropout.
        """

    def weight_gradients(
        self, model: Any, probe: Probe, scalar: Any
    ) -> dict[str, NDArray[Any] | str]:
        """Return what a scalar of the outputs changes by with each weight, by site.

        ``scalar(outputs)`` gives one number, or one for each example, whose sum is meant. Arrays
        are [example, head, query, key] float32, all that comes after the weights followed; a text
        says why a site has none.
        """

    def contributions(self, model: Any, probe: Probe) -> dict[str, Contribution | str]:
        """Return what each head gives, before and after its slice of the output projection.

        By site; a text says why it has none.
        """

    def prune(self, model: Any, probe: Probe | None, gates: Gates, smaller: bool) -> str:
        """Take heads whose gates are 0 out for good; return why no time is saved, else ``""``.

        Not ``smaller``: zeros in the output projection, and ``""``. The model is compared with the
        gated one on the probe, or on made-up inputs, and is as before where an error is raised.
        """

    def key_heads(self, model: Any, heads: dict[str, int], probe: Probe) -> dict[str, int]:
        """Return how many heads the keys of each site have: fewer where queries' heads share."""

    def circumstances(self, model: Any) -> dict[str, Any]:
        """Return ``framework``, ``device``, ``precision`` and ``threads`` that a model runs with.

        Precision includes a context that casts, such as autocast.
        """

    def stirred(self, model: Any) -> AbstractContextManager[None]:
        """Let all random numbers that a pass may draw be others while the context lasts."""


if TYPE_CHECKING:
    #: Modules subclass nothing: a type checker compares ours with what they shall offer.
    _FACES: tuple[Adapter, ...] = (keras, torch)

#: Names of what an adapter offers.
MEMBERS = tuple(name for name in vars(Adapter) if not name.startswith("_"))


def adapter_for(model: Any) -> Adapter:
    """Return the adapter that knows a model.

    Parameters
    ----------
    model : object

    Returns
    -------
    Adapter
        A member that it lacks is an :class:`~limelight.errors.UnsupportedModelError` when called.

    Raises
    ------
    UnsupportedModelError
        If none does.
    """
    for adapter in adapters():
        if adapter.matches(model):
            return adapter
    kind = type(model)
    fix = "Pass the live model object itself."
    if kind.__module__.split(".")[0] in {"tf_keras", "keras"} and "tf_keras" in sys.modules:
        fix = "This is Keras 2 (tf_keras); build the model with keras, version 3."
    raise UnsupportedModelError(
        f"Got a {kind.__module__}.{kind.__qualname__}.",
        "Wanted a live model: a keras.Model of Keras 3, or a torch.nn.Module.",
        fix,
    )


def adapters() -> Iterator[Adapter]:
    """Yield every adapter: ours, then those of other packages.

    Yields
    ------
    Adapter
    """
    yield from _ours()
    for foreign in registered("capture"):
        if hasattr(foreign, "matches"):
            yield Offered(foreign)


def missing(adapter: Any) -> tuple[str, ...]:
    """Return the members that an adapter lacks.

    Parameters
    ----------
    adapter : Adapter

    Returns
    -------
    tuple of str
    """
    plain = adapter.adapter if isinstance(adapter, Offered) else adapter
    return tuple(name for name in MEMBERS if not hasattr(plain, _BEFORE.get(name, name))
                 and not hasattr(plain, name))  # fmt: skip


@cache
def _ours() -> tuple[Any, ...]:
    folder = str(Path(__file__).parent)
    names = [info.name for info in pkgutil.iter_modules([folder]) if info.ispkg]
    faces = (importlib.import_module(f"{__package__}.{name}") for name in names)
    return tuple(face for face in faces if hasattr(face, "matches"))


#: Members that were called otherwise in the release before.
_BEFORE = {"named_parameters": "named_weights"}


class Offered:
    """An adapter of another package: what it lacks says so when it is asked for.

    Parameters
    ----------
    adapter : object
        With some of the members of :class:`Adapter`.
    """

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter

    def watch(self, model: Any, probe: Probe, examples: Sequence[int] | None) -> Any:
        """Run a model once; an adapter of the release before takes what a probe says apart."""
        run = self.__getattr__("watch")
        if "include" not in inspect.signature(run).parameters:
            return run(model, probe, examples)
        renamed.warn("An adapter's watch(model, probe, include, exclude, call, examples)",
                     "watch(model, probe, examples)")  # fmt: skip
        return run(model, probe, probe.include, probe.exclude, probe.call, examples)

    def __getattr__(self, name: str) -> Any:
        if hasattr(self.adapter, name) or name not in MEMBERS:
            return getattr(self.adapter, name)
        before = _BEFORE.get(name, name)
        if hasattr(self.adapter, before):
            renamed.warn(f"An adapter's {before}", name)
            return getattr(self.adapter, before)
        called = getattr(self.adapter, "__name__", type(self.adapter).__qualname__)
        raise UnsupportedModelError(
            f"Got a model of the adapter {called!r}, which has no {name!r}.",
            f"Wanted an adapter with all of {', '.join(MEMBERS)}.",
            "Upgrade the package that brings the adapter, or ask its authors for it.",
        )
