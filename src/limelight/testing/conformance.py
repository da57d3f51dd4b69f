"""What every adapter must do, as tests that an adapter's own test class inherits.

Room: testing. Comes in: a tiny model of some framework, inputs, and its attention computed in
another way. Goes out: passed or failed. Goes through the public door only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import limelight as ll
from limelight import schema
from limelight.capture import sweep
from limelight.capture.adapter import MEMBERS, adapter_for, missing
from limelight.errors import LimelightError, LimelightWarning, UnsupportedModelError
from limelight.testing import frameworks
from limelight.testing.rounding import rounding, spread


class AdapterConformance:
    """Inherit this in a class whose name starts with ``Test``, and pytest runs all of it.

    A subclass says what to test it on: :meth:`model`, :meth:`inputs`, :meth:`expected` and
    :meth:`plain`. What calls the model, :meth:`output`, is known for PyTorch and Keras.

    Attributes
    ----------
    features : int
        How many numbers the model sums on the way to a score, projections included.
    tolerance : float, optional
        How far captured weights may be from the expected ones. By default, as far as two ways to
        compute them in float32 may be apart (:func:`limelight.testing.rounding.rounding`), for
        scores that lie as far apart as the expected weights say.
    rounding : float
        How far outputs may be from each other where the model computes them in another way, as
        with gates.

    Examples
    --------
    >>> import torch
    >>> class TestOurAdapter(AdapterConformance):
    ...     def model(self):
    ...         torch.manual_seed(0)
    ...         return torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ...
    ...     def inputs(self):
    ...         return np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    ...
    ...     def expected(self, model, inputs):
    ...         x = torch.from_numpy(inputs)
    ...         _, weights = model.eval().self_attn(x, x, x, average_attn_weights=False)
    ...         return {"self_attn": weights.detach().numpy()}
    ...
    ...     def plain(self):
    ...         return torch.nn.Linear(8, 8)
    >>> TestOurAdapter().test_weights_are_exact()
    """

    features = 64
    tolerance: float | None = None
    rounding = 1e-5

    def model(self) -> Any:
        """Return a new tiny model, with the same parameters each time; with dropout, if it can.

        Returns
        -------
        object
        """
        raise NotImplementedError("A subclass names its model.")

    def inputs(self) -> Any:
        """Return what the model is called with: NumPy arrays, as for ``limelight.capture``.

        Returns
        -------
        array, tuple of arrays, or mapping of str to array
        """
        raise NotImplementedError("A subclass names its inputs.")

    def expected(self, model: Any, inputs: Any) -> Mapping[str, NDArray[Any]]:
        """Compute the model's attention without limelight.

        Parameters
        ----------
        model : object
            From :meth:`model`.
        inputs : object
            From :meth:`inputs`.

        Returns
        -------
        mapping of str to array [example, head, query, key]
            By site, in the order the modules run.
        """
        raise NotImplementedError("A subclass computes what it expects.")

    def plain(self) -> Any:
        """Return a model without attention that takes the same inputs.

        Returns
        -------
        object
        """
        raise NotImplementedError("A subclass names a model without attention.")

    def output(self, model: Any, inputs: Any) -> list[NDArray[Any]]:
        """Call a model for inference, without limelight.

        Parameters
        ----------
        model, inputs : object

        Returns
        -------
        list of array
            Everything it returned.
        """
        return frameworks.run(model, inputs)

    def test_no_member_is_missing(self) -> None:
        """An adapter has all of :class:`limelight.capture.adapter.Adapter`."""
        lacking = ", ".join(missing(adapter_for(self.model())))
        assert not lacking, f"the adapter has no {lacking}; wanted all of {', '.join(MEMBERS)}"

    # ------------------------------------------------------------------------------ what is seen

    def test_sites_are_those_expected_in_the_order_they_ran(self) -> None:
        """Names are module paths; ``order`` counts them."""
        model, inputs = self.model(), self.inputs()
        assert list(_sites(ll.capture(model, inputs))) == list(self.expected(model, inputs))

    def test_weights_are_exact(self) -> None:
        """Every valid query's row is the expected one."""
        model, inputs = self.model(), self.inputs()
        sites = _sites(ll.capture(model, inputs))
        for name, expected in self.expected(model, inputs).items():
            site = sites[name]
            weights = site["weights"].transpose(*schema.SITE_DIMS)
            valid = site["query_valid"].values[:, None, :, None]
            assert weights.shape == expected.shape, f"{name}: {weights.shape}, {expected.shape}"
            limit = self.tolerance
            if limit is None:
                limit = 2 * rounding(spread(expected * valid), self.features, expected.shape[-1])
            _close(weights.values * valid, expected * valid, limit, name)

    def test_every_site_keeps_the_laws_of_the_schema(self) -> None:
        """What the arrays and attributes of a site must be like."""
        for name, site in _sites(ll.capture(self.model(), self.inputs())).items():
            schema.check(site.load())
            assert site["weights"].dtype == np.float32, name
            assert site.attrs["kind"] in schema.KINDS, name
            assert (site.attrs["passed"], site.attrs["dropout"]) == ("inference", "before"), name
            assert site.attrs["module_class"], f"{name} has no module_class"
            assert site.attrs["framework"], f"{name} has no framework"
            assert bool(site["query_valid"].any()), f"{name} has no valid query"

    def test_two_captures_are_the_same(self) -> None:
        """To the bit."""
        model, inputs = self.model(), self.inputs()
        first, second = _sites(ll.capture(model, inputs)), _sites(ll.capture(model, inputs))
        assert list(first) == list(second)
        for name, site in first.items():
            xr.testing.assert_identical(site.load(), second[name].load())

    # ------------------------------------------------------------------- what is left as it was

    def test_the_model_is_left_as_it_was(self) -> None:
        """Output, parameters, modes, random numbers, hooks and functions, to the bit."""
        model, inputs = self.model(), self.inputs()
        with _unchanged(self, model, inputs):
            ll.capture(model, inputs)

    def test_a_model_in_training_stays_so_and_is_captured_for_inference(self) -> None:
        """No dropout, and no running average moves."""
        model, inputs = self.model(), self.inputs()
        before = _sites(ll.capture(model, inputs))
        if callable(getattr(model, "train", None)):  # elsewhere training is an argument
            model.train()
        with _unchanged(self, model, inputs):
            after = _sites(ll.capture(model, inputs))
        for name, site in before.items():
            np.testing.assert_array_equal(site["weights"].values, after[name]["weights"].values)

    def test_a_failure_leaves_the_model_as_it_was(self) -> None:
        """At its end, and in the middle of it; the error comes through."""
        model, inputs = self.model(), self.inputs()
        for given in (None, inputs):
            with _unchanged(self, model, inputs), frameworks.failing(model, given):
                error = _raised(lambda: ll.capture(model, inputs))
                assert "planned" in str(error), f"the error does not say its cause: {error}"
        assert list(_sites(ll.capture(model, inputs))) == list(self.expected(model, inputs))

    # --------------------------------------------------------------------------- what can be said

    def test_a_site_can_be_left_out(self) -> None:
        """By its path; leaving out all of them is an error."""
        model, inputs = self.model(), self.inputs()
        names = list(_sites(ll.capture(model, inputs)))
        assert list(_sites(ll.capture(model, inputs, include=names))) == names
        if names[1:]:
            assert list(_sites(ll.capture(model, inputs, exclude=names[0]))) == names[1:]
        error = _raised(lambda: ll.capture(model, inputs, exclude=names))
        assert isinstance(error, UnsupportedModelError), repr(error)

    def test_a_model_without_attention_is_a_clear_error(self) -> None:
        """It says what came, what was wanted, and what to do."""
        model, inputs = self.plain(), self.inputs()
        with _unchanged(self, model, inputs):
            error = _raised(lambda: ll.capture(model, inputs))
        assert isinstance(error, UnsupportedModelError), repr(error)
        assert error.came, "the error does not say what came"
        assert error.wanted, "the error does not say what was wanted"
        assert error.fix, "the error does not say what to do"

    def test_parameters_have_stable_names(self) -> None:
        """Each is there once, and two models of one kind name theirs alike."""
        model, other = self.model(), self.model()
        for built in (model, other):
            self.output(built, self.inputs())
        named, parameters = _named_parameters(model), frameworks.parameters(model)
        assert list(named) == list(_named_parameters(other))
        assert len(named) == len(parameters), f"{len(named)} names for {len(parameters)} parameters"
        for name, value, wanted in zip(named, named.values(), parameters, strict=True):
            np.testing.assert_array_equal(np.asarray(value, wanted.dtype), wanted, name)

    # ------------------------------------------------------------------------ what stands on it

    def test_gates(self) -> None:
        """One changes nothing; zero at any site changes the output; then all is as it was."""
        model, inputs = self.model(), self.inputs()
        names = list(_sites(ll.capture(model, inputs)))
        before = self.output(model, inputs)
        with _unchanged(self, model, inputs):
            with ll.gate(model, {(name, None): 1.0 for name in names}):
                for now, then in zip(self.output(model, inputs), before, strict=True):
                    _close(now, then, self.rounding, "a gate of 1")
            for name in names:
                with ll.gate(model, {(name, None): 0.0}):
                    after = self.output(model, inputs)
                moved = [np.abs(now - then).max() for now, then in zip(after, before, strict=True)]
                assert max(moved) > self.rounding, f"a gate of 0 at {name} changes nothing"

    def test_a_sweep_is_its_gates_one_by_one(self) -> None:
        """What a run under each of several gatings returns, and then all is as it was."""
        model, inputs = self.model(), self.inputs()
        gates = [{(name, None): 0.0} for name in _sites(ll.capture(model, inputs))]
        with _unchanged(self, model, inputs):
            for gating, swept in zip(gates, sweep(model, inputs, gates), strict=True):
                with ll.gate(model, gating):
                    gated = self.output(model, inputs)
                for now, then in zip(frameworks.arrays(swept), gated, strict=True):
                    _close(now, then, self.rounding, f"a sweep of {gating}")

    def test_a_recorder_writes_what_was_captured(self, tmp_path: Path) -> None:
        """To half precision, and it changes nothing either.

        Parameters
        ----------
        tmp_path : Path
            Given by pytest.
        """
        model, inputs = self.model(), self.inputs()
        wanted = _sites(ll.capture(model, inputs))
        with warnings.catch_warnings(), _unchanged(self, model, inputs):
            warnings.simplefilter("error", LimelightWarning)
            with ll.Recorder(tmp_path, model, inputs) as recorder:
                assert recorder.record(7), "nothing was recorded"
        run = ll.open_run(tmp_path)
        assert set(run.sites) == set(wanted)
        assert set(run.parameter_names) == set(_named_parameters(model))
        for name, site in wanted.items():
            _close(run.stored(name, step=7)["weights"].values, site["weights"].values, 2**-11, name)


@contextmanager
def _unchanged(test: AdapterConformance, model: Any, inputs: Any) -> Iterator[None]:
    """Compare a model with what it was before the block inside."""

    def look() -> tuple[Any, ...]:
        return frameworks.randomness(), frameworks.footprint(model), frameworks.parameters(model)

    output = test.output(model, inputs)  # builds it, if need be
    chance, prints, parameters = look()
    yield
    chance_now, prints_now, parameters_now = look()
    differing = [name for name in prints | prints_now if prints.get(name) != prints_now.get(name)]
    assert not differing, f"left behind or taken away: {differing}"
    assert chance_now == chance, "a generator of random numbers has moved"
    for now, then in zip(parameters_now, parameters, strict=True):
        np.testing.assert_array_equal(now, then, "a weight changed")
    for now, then in zip(test.output(model, inputs), output, strict=True):
        np.testing.assert_array_equal(now, then, "the output changed")


def _sites(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the datasets of a tree by path, in the order their modules ran."""
    sites = [leaf.to_dataset() for leaf in tree.leaves]
    sites.sort(key=lambda site: int(site.attrs["order"]))
    return {str(site.attrs["module"]): site for site in sites}


def _named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    named = adapter_for(model).named_parameters(model)
    return {name: np.asarray(value) for name, value in named.items()}


def _close(now: Any, then: Any, limit: float, name: str) -> None:
    np.testing.assert_allclose(now, then, rtol=0, atol=limit, err_msg=name)


def _raised(act: Callable[[], Any]) -> LimelightError | Exception:
    """Return what an act raises; an assertion fails if it does not."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  # which one is for the test to say
        return error
    raise AssertionError("Nothing was raised.")
