"""Stands over whole calls of a torch model, and knows each attention in them.

Room: capture, torch. What cuts and weights in the graph share. Comes in: a model, and which sites
are meant. Goes out: each attention and softmax of a call, with its site. A call of another form
than those before is run once beforehand, as an attention that was not seen then might pass
unnoticed; what attends although it was not seen is an error.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.gating.scope import Scope
from limelight.capture.torch.gates.discovery import Key, Site, call, dry_run
from limelight.capture.torch.gates.standing import Standing
from limelight.capture.torch.intercept import modes
from limelight.capture.torch.intercept.modes import Attend
from limelight.capture.torch.state import untouched
from limelight.errors import GateError


class Whole(Standing):
    """Interception of all that a model does.

    Parameters
    ----------
    model : torch.nn.Module
    scope : Scope

    Attributes
    ----------
    scope : Scope
    met : set of str
        Sites that ran, of those that are meant.
    """

    #: The name of the function whose context this is.
    door = ""

    def __init__(self, model: Any, scope: Scope) -> None:
        self.scope = scope
        self._facts = _facts_of(model, scope)
        super().__init__(model, self._facts.sites)
        self.met: set[str] = set()
        self._failed = False  # an error was raised that may have kept sites from being met

    @contextmanager
    def lived(self) -> Iterator[None]:
        """Stand, and raise as the context ends if nothing that is meant ran.

        Yields
        ------
        None

        Raises
        ------
        GateError
        """
        with self.standing():
            yield
        if not self.met and not self._failed:
            raise GateError(
                f"limelight.{self.door} was set up, but no call of the model was seen to attend.",
                "Wanted the model to run inside the with.",
                "Call the model itself there, not an exported, scripted or earlier traced copy.",
            )

    def act(self, site: Site, event: Any, run: Callable[[], Any]) -> Any:
        """Handle an attention or softmax of a site that is meant.

        Parameters
        ----------
        site : Site
        event : Attend or Softmax
        run : callable

        Returns
        -------
        object
            What the model gets.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------------------- standing

    def _matters(self, path: str) -> bool:  # noqa: ARG002
        return True

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        form = (id(module), _form(args), _form(kwargs))
        if form not in self._facts.forms:
            self._failed = True
            self._discover(module, args, kwargs)
            self._facts.forms.add(form)
        if module is self.model:
            self.scope.check({site.name: None for site in self.sites.values()})
        self._failed = False

    def _discover(self, module: Any, args: Any, kwargs: Any) -> None:
        def note(key: Key, out: Any) -> None:  # noqa: ARG001
            self._facts.keys.add(key)

        def run() -> dict[Key, Site]:
            with modes.aside(), untouched(self.model):
                return dry_run(
                    self.model, (args, kwargs), lambda: call(module, args, kwargs), note,
                    self.scope.choice,
                )[0]  # fmt: skip

        self.sites.update(self.alone(run))

    def _event(self, key: Key, site: Site | None, event: Any, run: Callable[[], Any]) -> Any:
        if site is None and not self._seen(key):
            self._failed = True
            what = "an attention" if isinstance(event, Attend) else "a softmax"
            raise GateError(
                f"Got {what} in {key[0] or 'the model'!r} that did not run when the model was "
                "looked at, in inference mode, before the call.",
                f"Wanted limelight.{self.door} to know what it is.",
                "Use model.eval(), or begin another context for calls that take another branch.",
            )
        if site is None or not self.scope.meant(site.name):
            return run()
        self.met.add(site.name)
        return self.act(site, event, run)

    def _seen(self, key: Key) -> bool:
        path, line, turn = key
        return any((path, line, before) in self._facts.keys for before in range(turn + 1))


@dataclass(eq=False)
class _Facts:
    """What was found out about a model that runs as a whole.

    Attributes
    ----------
    sites : dict of Key to Site
    keys : set of Key
        Everything that attended or took a softmax.
    forms : set
        Of calls that were looked at.
    """

    sites: dict[Key, Site] = field(default_factory=dict)
    keys: set[Key] = field(default_factory=set)
    forms: set[Any] = field(default_factory=set)


# Of each model, for as long as it lives, under each kernel and choice of softmaxes.
_memory: weakref.WeakKeyDictionary[Any, dict[str, _Facts]] = weakref.WeakKeyDictionary()


def _facts_of(model: Any, scope: Scope) -> _Facts:
    kernel = getattr(getattr(model, "config", None), "_attn_implementation", "")
    facts = _memory.setdefault(model, {})
    return facts.setdefault(f"{kernel} {scope.choice!r}", _Facts())


def _form(value: Any) -> Any:
    """Return what calls have in common that take the same branches: kinds, axes, switches."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if hasattr(value, "dim") and hasattr(value, "dtype"):
        return ("tensor", value.dim(), str(value.dtype))
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), _form(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_form(item) for item in value)
    return type(value).__qualname__
