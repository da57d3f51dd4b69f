"""What a model must allow beside being looked at, as tests that a test class inherits.

Room: testing. Comes in: a tiny model of some framework and inputs. Goes out: passed or failed:
cuts, even attention, gradients by weights, contributions of heads, weights in the graph, pruning.
Goes through the public door only; each is held against another, or against the plain model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import limelight as ll
from limelight import schema
from limelight.capture.probe import Probe
from limelight.errors import LimelightError
from limelight.testing import frameworks

#: Names of the doors, each with a test of :class:`DoorConformance`.
DOORS = ("uniform", "cut", "gradients", "contributions", "attended", "prune")

#: How far gates are moved to see what that changes.
_STEP = 5e-3


class DoorConformance:
    """Inherit this in a class whose name starts with ``Test``, and pytest runs all of it.

    A subclass says what to test it on: :meth:`model` and :meth:`inputs`.

    Attributes
    ----------
    tolerance_of_doors : float
        How far numbers may be from each other that are computed in two ways, by their size.
    tolerance_of_steps : float
        How far gradients may be from what a small step changes, by the size of what it changes.
    projects : bool
        Whether each site's heads are projected by parameters of its own; else their contributions
        end before, and pruning is refused in words.

    Examples
    --------
    >>> import torch
    >>> class TestOurModel(DoorConformance):
    ...     def model(self):
    ...         torch.manual_seed(0)
    ...         return torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ...
    ...     def inputs(self):
    ...         return np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    >>> TestOurModel().test_a_cut()
    """

    tolerance_of_doors = 1e-5
    tolerance_of_steps = 2e-3
    projects = True

    def model(self) -> Any:
        """Return a new tiny model, with the same parameters each time.

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

    def test_even_attention(self) -> None:
        """Gates of 1 change nothing; of 0 and of a half, something, and not the same."""
        model, inputs = self.model(), self.inputs()
        plain = self.output(model, inputs)
        with self._unchanged(model, inputs):
            sites = _sites(ll.capture(model, inputs))
            with ll.gate(model, {(name, None): 1.0 for name in sites}, replace="uniform"):
                self._close(self.output(model, inputs), plain, "gates of 1")
            first = next(iter(sites))
            with ll.gate(model, {(first, None): 0.0}, replace="uniform"):
                even = self.output(model, inputs)
            with ll.gate(model, {(first, None): 0.5}, replace="uniform"):
                half = self.output(model, inputs)
        assert _apart(even, plain) > self.tolerance_of_doors, "even attention changes nothing"
        assert _apart(half, even) > self.tolerance_of_doors, "half a gate is as none"

    def test_a_cut(self) -> None:
        """All allowed changes nothing; else the first site's rows are shared out anew."""
        model, inputs = self.model(), self.inputs()
        plain = self.output(model, inputs)
        with self._unchanged(model, inputs):
            before = _sites(ll.capture(model, inputs))
            with ll.cut(model, lambda query, key: query - key < np.inf):
                self._close(self.output(model, inputs), plain, "a cut of nothing")
            with ll.cut(model, _banded):
                cut = self.output(model, inputs)
                after = _sites(ll.capture(model, inputs))
        assert list(after) == list(before)
        assert _apart(cut, plain) > self.tolerance_of_doors, "a cut changes nothing"
        for number, (name, site) in enumerate(before.items()):
            weights, now = _weights(site), _weights(after[name])
            stays = _banded(*np.indices(weights.shape[-2:]))
            valid = site["query_valid"].values[:, None, :, None]
            assert not np.any(now * valid * ~stays), f"{name}: weight on what was cut"
            if number == 0:
                wanted = weights * stays
                wanted /= np.maximum(wanted.sum(-1, keepdims=True), 1e-30)
                self._close([now * valid], [wanted * valid], name)

    def test_gradients_by_weights(self) -> None:
        """Times their weights and summed up, they are what a little more of a head changes."""
        model, inputs = self.model(), self.inputs()
        examples = Probe(inputs).examples

        def scalar(outputs: Any) -> Any:
            return frameworks.squares(outputs, examples)

        with self._unchanged(model, inputs):
            sites = _sites(ll.capture(model, inputs, gradients=scalar))
            for name, site in sites.items():
                assert "gradients" in site, f"{name}: {site.attrs.get('no_gradients')}"
                assert site["gradients"].dims == schema.SITE_DIMS
                summed = (_weights(site) * site["gradients"].values).sum((2, 3))
                for head in range(summed.shape[1]):
                    sides = []
                    for gate in (1 + _STEP, 1 - _STEP):
                        with ll.gate(model, {(name, head): gate}):
                            sides.append(scalar(self.output(model, inputs)))
                    wanted = (sides[0] - sides[1]) / (2 * _STEP)
                    limit = self.tolerance_of_steps * max(float(np.abs(sides[0]).max()), 1.0)
                    np.testing.assert_allclose(summed[:, head], wanted, rtol=0, atol=limit)
        assert any(np.any(site["gradients"].values) for site in sites.values()), "all are 0"

    def test_contributions(self) -> None:
        """What a head's slice writes is what the output loses without it."""
        model, inputs = self.model(), self.inputs()
        with self._unchanged(model, inputs):
            sites = _sites(ll.capture(model, inputs, contributions=True))
        for name, site in sites.items():
            assert "head_output" in site, f"{name}: {site.attrs.get('no_contributions')}"
            if not self.projects:
                assert site.attrs["no_head_contribution"], name
                continue
            assert "head_contribution" in site, site.attrs.get("no_head_contribution")
            values, projected = site["head_output"].values, site["head_contribution"].values
            for head in range(values.shape[1]):  # linear: one matrix makes one of the other
                rows = values[:, head].reshape(-1, values.shape[-1]).astype(np.float64)
                wanted = projected[:, head].reshape(len(rows), -1).astype(np.float64)
                matrix, *_ = np.linalg.lstsq(rows, wanted, rcond=None)
                self._close([rows @ matrix], [wanted], f"{name}, head {head}")
        for name, wanted in self.projections(model, inputs).items():
            summed = sites[name]["head_contribution"].values.sum(1)
            if "output_bias" in sites[name]:
                summed = summed + sites[name]["output_bias"].values
            self._close([summed], [wanted], name)

    def projections(self, model: Any, inputs: Any) -> dict[str, NDArray[Any]]:
        """Compute what sites' output projections give, without limelight.

        Parameters
        ----------
        model, inputs : object

        Returns
        -------
        dict of str to array [example, query, feature]
            By site; those that are left out are not compared.
        """
        del model, inputs
        return {}

    def test_weights_in_the_graph(self) -> None:
        """They are those that a capture gives, and what the model returns stays."""
        model, inputs = self.model(), self.inputs()
        plain = self.output(model, inputs)
        with self._unchanged(model, inputs):
            sites = _sites(ll.capture(model, inputs))
            with ll.attended(model) as weights:
                now = self.output(model, inputs)
                given = {name: frameworks.arrays(weights[name])[0] for name in sites}
        self._close(now, plain, "the output changed")
        for name, site in sites.items():
            valid = site["query_valid"].values[:, None, :, None]
            self._close([np.where(valid, given[name], 0)], [_weights(site) * valid], name)

    def test_pruning(self) -> None:
        """It is a gate of 0 for good; loaded into another model, that is the same."""
        model, inputs = self.model(), self.inputs()
        sites = _sites(ll.capture(model, inputs))
        heads = {name: [site.sizes["head"] - 1] for name, site in sites.items()}
        if not self.projects:
            with self._unchanged(model, inputs):
                try:
                    ll.prune(model, heads, inputs=inputs)
                except LimelightError:
                    return
            raise AssertionError("Pruned, though nothing projects what heads give.")
        with ll.gate(model, {(name, head): 0.0 for name, (head,) in heads.items()}):
            wanted = self.output(model, inputs)
        assert ll.prune(model, heads, inputs=inputs) is model
        self._close(self.output(model, inputs), wanted, "pruned")
        other = self.model()
        self.output(other, inputs)  # builds it, if need be
        frameworks.load(other, model)
        self._close(self.output(other, inputs), wanted, "loaded")

    # ------------------------------------------------------------------------------- comparing

    def _close(self, now: list[Any], then: list[Any], name: str) -> None:
        for mine, theirs in zip(now, then, strict=True):
            limit = self.tolerance_of_doors * max(float(np.abs(theirs).max(initial=0)), 1.0)
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=limit, err_msg=name)

    @contextmanager
    def _unchanged(self, model: Any, inputs: Any) -> Iterator[None]:
        """Compare a model with what it was before the block inside."""
        output = self.output(model, inputs)
        prints, chance = frameworks.footprint(model), frameworks.randomness()
        parameters = frameworks.parameters(model)
        yield
        now = frameworks.footprint(model)
        assert now == prints, [name for name in now if now.get(name) != prints.get(name)]
        assert frameworks.randomness() == chance, "a generator of random numbers has moved"
        pairs: list[tuple[Any, Any]] = [
            *zip(frameworks.parameters(model), parameters, strict=True),
            *zip(self.output(model, inputs), output, strict=True),
        ]
        for mine, theirs in pairs:
            np.testing.assert_array_equal(mine, theirs, "the model is another")


def refusal(test: Callable[[], None]) -> str:
    """Say why a door is refused; empty where its test passes.

    Parameters
    ----------
    test : callable
        A test of :class:`DoorConformance`.

    Returns
    -------
    str
        What came, of the error; whatever else fails is raised.

    Examples
    --------
    >>> refusal(lambda: None)
    ''
    """
    try:
        test()
    except LimelightError as error:
        return error.came
    return ""


def _banded(query: Any, key: Any) -> Any:
    """Let a query attend to itself, and to every third key from there."""
    return (query - key) % 3 == 0


def _sites(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    sites = [leaf.to_dataset() for leaf in tree.leaves]
    sites.sort(key=lambda site: int(site.attrs["order"]))
    return {str(site.attrs["module"]): site for site in sites}


def _weights(site: xr.Dataset) -> NDArray[np.float32]:
    return np.asarray(site["weights"].transpose(*schema.SITE_DIMS).values, np.float32)


def _apart(now: list[Any], then: list[Any]) -> float:
    return max(float(np.abs(a - b).max(initial=0)) for a, b in zip(now, then, strict=True))
