"""Follows a torch model's modules, and intercepts what happens within those that matter.

Room: capture, torch. What gates, cuts and weights in the graph stand on: hooks on modules, which
enter and leave a mode of torch's. Comes in: a model. Goes out: each attention, softmax and other
function that runs within it, handed to a method of the subclass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from limelight.capture.gating.life import Result
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.gates.discovery import Key, Site, Turns
from limelight.capture.torch.intercept import modes as intercept_modes
from limelight.capture.torch.intercept.modes import Call, Event, Interception, Op, Stack


class Standing:
    """Interception that stands over many calls of a model.

    Parameters
    ----------
    model : torch.nn.Module
    sites : dict of Key to Site
        Those that are known; more may be put into it.

    Attributes
    ----------
    model : torch.nn.Module
    sites : dict of Key to Site
        Every site by the module that attends, and which of its attentions in one call it is.
    """

    #: Whether its hooks run before those that stand already, so that its mode is outside theirs.
    first = True

    def __init__(self, model: Any, sites: dict[Key, Site]) -> None:
        self.model = model
        self.sites = sites
        self._stack = Stack()
        self._interception = Interception(model, self._interceptor, self._stack)
        self._mode = self._interception.mode
        self._inside: list[bool] = []  # of each running module: whether calls are intercepted in it
        self._turns = Turns()
        self._muted = False

    # ------------------------------------------------------------------- what subclasses say

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        """Make ready for one outermost call."""

    def _matters(self, path: str) -> bool:
        """Say whether calls are intercepted within a module that is about to run."""
        raise NotImplementedError

    def _paths(self) -> set[str] | None:
        """Return the paths of modules that need hooks; None for all."""
        return None

    def _forget(self) -> None:
        """Let go of what belongs to one call."""

    def _event(self, key: Key, site: Site | None, event: Any, run: Callable[[], Any]) -> Any:
        """Handle an attention or a softmax."""
        raise NotImplementedError

    def _op(self, event: Op, run: Callable[[], Any]) -> Any:  # noqa: ARG002
        """Handle any other function."""
        return run()

    # ------------------------------------------------------------------------------- standing

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Follow the modules that matter, and intercept what happens within them.

        Yields
        ------
        None
        """
        import torch

        # Patches of two threads that overlap crosswise would leave one behind.
        with intercept_modes._one_at_a_time, ExitStack() as undo:
            before = torch.backends.mha.get_fastpath_enabled()
            undo.callback(torch.backends.mha.set_fastpath_enabled, before)
            torch.backends.mha.set_fastpath_enabled(False)  # would compute all in one piece
            if {"torch._dynamo", "torch.nn.attention.flex_attention"} & set(sys.modules):
                undo.enter_context(torch.compiler.set_stance("force_eager"))
            undo.enter_context(self._interception.names_replaced())
            followed = self._paths()
            for module, path in torch_names.paths(self.model):
                if followed is not None and path not in followed:
                    continue
                pair = (
                    module.register_forward_pre_hook(self._enter(path), with_kwargs=True,
                                                     prepend=self.first),
                    module.register_forward_hook(self._leave(), always_call=True),
                )  # fmt: skip
                for hook in pair:
                    undo.callback(hook.remove)
            undo.callback(self._close_all)
            yield

    def _close_all(self) -> None:
        if any(self._inside):  # only after an interrupt
            self._mode.__exit__(None, None, None)
        self._inside.clear()
        self._forget()

    def _enter(self, path: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            if self._muted or self._interception.silent:
                return
            if not self._stack.running:
                self._begin(module, args, kwargs)
                self._inside.clear()
                self._turns.clear()  # what made ready may have run the model
            self._stack.running.append(Call(module, path, self._stack.top, 0, args, kwargs))
            matters = self._matters(path)
            if matters and not any(self._inside):
                self._mode.__enter__()
            self._inside.append(matters)

        return hook

    def _leave(self) -> Callable[..., None]:
        def hook(module: Any, args: Any, outputs: Any) -> None:  # noqa: ARG001
            running = self._stack.running
            if self._muted or self._interception.silent or not running:
                return
            running.pop()
            if self._inside.pop() and not any(self._inside):
                self._mode.__exit__(None, None, None)
                self._forget()

        return hook

    def _interceptor(self, event: Event, run: Callable[[], Any]) -> Any:
        here = event.call
        if self._muted or here is None:
            return run()
        if isinstance(event, Op):
            return self._op(event, run)
        key = self._turns.next(here)
        return self._event(key, self.sites.get(key) or self._looped(key), event, run)

    def _looped(self, key: Key) -> Site | None:
        """Return the site of a loop that takes more steps than when its sites were found."""
        path, line, turn = key
        while turn:
            turn -= 1
            site = self.sites.get((path, line, turn))
            if site is not None:
                return site if site.looped else None
        return None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Run the model beside its own call, seen by this alone, while a context lasts.

        Yields
        ------
        None
        """
        if intercept_modes.changed():  # what is changed must be seen changed here, too
            yield
            return
        before = self._interception.level
        with intercept_modes.aside() as level:
            self._interception.level = level
            try:
                yield
            finally:
                self._interception.level = before

    def alone(self, run: Callable[[], Result]) -> Result:
        """Do something whose own attentions and softmaxes are part of it.

        Parameters
        ----------
        run : callable

        Returns
        -------
        object
            What it returns.
        """
        self._muted = True
        try:
            return run()
        finally:
            self._muted = False
