"""What the file of a kind of attention must do, as tests that its own test class inherits.

Room: testing. Comes in: a function of torch that computes attention. Goes out: passed or failed. A
tiny model is built around the function, and goes through the public door only.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

import limelight as ll
from limelight.errors import LimelightError
from limelight.testing import frameworks
from limelight.testing.conformance import AdapterConformance
from limelight.testing.doors import DoorConformance
from limelight.testing.rounding import exact, rounding

_SITE = "attention"


class AttentionConformance(AdapterConformance, DoorConformance):
    """Inherit this in a class whose name starts with ``Test``, and pytest runs all of it.

    A subclass says how the function is called, in :meth:`attend`, and what it weighs by, in
    :meth:`scores`. All that an adapter must do is tested on a model that attends so, and that each
    head is weighed, and gated, by itself.

    Attributes
    ----------
    heads, key_heads : int
        How many the model has; several heads of queries share one of keys where the latter are
        fewer.
    width : int
        Features of one head.

    Examples
    --------
    >>> import torch
    >>> class TestOurAttention(AttentionConformance):
    ...     def attend(self, query, key, value):
    ...         return torch.nn.functional.scaled_dot_product_attention(query, key, value)
    >>> TestOurAttention().test_weights_are_exact()
    """

    heads = 2
    key_heads = 2
    width = 4
    projects = False

    def attend(self, query: Any, key: Any, value: Any) -> Any:
        """Call the function.

        Parameters
        ----------
        query : tensor [example, head, query, feature]
        key, value : tensor [example, key head, key, feature]

        Returns
        -------
        tensor [example, head, query, feature]
            What its heads read; turn it, if the function has its axes in another order.
        """
        raise NotImplementedError("A subclass calls its function.")

    def scores(self, query: Any, key: Any) -> Any:
        """Compute what the function takes the softmax of; by default scaled products.

        Parameters
        ----------
        query : tensor [example, head, query, feature]
            float64, as are the keys.
        key : tensor [example, head, key, feature]
            For each head of the queries.

        Returns
        -------
        tensor [example, head, query, key]
            Minus infinity where a query may not attend.
        """
        return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])

    # ------------------------------------------------------------------------------- the model

    def model(self) -> Any:
        """Return a model whose module ``attention`` attends with the function."""
        import torch

        torch.manual_seed(0)
        return _model(self)

    def inputs(self) -> NDArray[np.float32]:
        """Return features [example, position, feature]."""
        shape = (3, 6, self.heads * self.width)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def expected(self, model: Any, inputs: Any) -> dict[str, NDArray[np.float64]]:
        """Compute the softmax of :meth:`scores` in float64."""
        import torch

        with torch.no_grad():
            query, key, _ = model.attention.vectors(torch.from_numpy(inputs))
            key = key.repeat_interleave(self.heads // self.key_heads, dim=1)
            return {_SITE: exact(self.scores(query.double(), key.double()))}

    def plain(self) -> Any:
        """Return a model that does not attend."""
        import torch

        width = self.heads * self.width
        return torch.nn.Linear(width, width)

    # ------------------------------------------------------------------------------- its tests

    def test_the_weights_say_what_each_head_reads(self) -> None:
        """Summed with them, the values are what the function returns."""
        import torch

        model, inputs = self.model(), self.inputs()
        with torch.no_grad():
            _, _, value = model.attention.vectors(torch.from_numpy(inputs))
        value = value.repeat_interleave(self.heads // self.key_heads, dim=1).double().numpy()
        weights = self.expected(model, inputs)[_SITE]
        rows = (weights @ value).swapaxes(1, 2).reshape(*inputs.shape[:2], -1)
        (output,) = self.output(model, inputs)
        # Weights that round, times values, and their sum.
        limit = weights.shape[-1] * np.abs(value).max() * rounding(8, self.features, rows.shape[1])
        np.testing.assert_allclose(output, rows, rtol=0, atol=float(limit))

    def test_each_head_is_gated_by_itself(self) -> None:
        """By the gate's strength; the others stay as they are, bit for bit."""
        model, inputs = self.model(), self.inputs()
        (plain,) = self.output(model, inputs)
        for head in range(self.heads):
            features = slice(head * self.width, (head + 1) * self.width)
            for strength in (0.0, 0.5):
                with ll.gate(model, {(_SITE, head): strength}):
                    (gated,) = self.output(model, inputs)
                wanted = plain.copy()
                wanted[..., features] *= strength
                np.testing.assert_array_equal(gated, wanted, f"head {head} at {strength}")

    def test_the_function_is_put_back(self) -> None:
        """Wherever it is named, also after an error."""
        model, inputs = self.model(), self.inputs()
        names = _names(type(self).attend)
        ll.capture(model, inputs)
        assert _names(type(self).attend) == names
        with frameworks.failing(model), suppress(LimelightError):
            ll.capture(model, inputs)
        assert _names(type(self).attend) == names


def _names(function: Any) -> dict[str, Any]:
    """Return what a function names in its module."""
    return dict(function.__globals__)


def _model(test: AttentionConformance) -> Any:
    import torch

    class Attending(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy
        def __init__(self) -> None:
            super().__init__()
            width = test.heads * test.width
            self.query = torch.nn.Linear(width, width)
            self.key = torch.nn.Linear(width, test.key_heads * test.width)
            self.value = torch.nn.Linear(width, test.key_heads * test.width)
            for parameter in self.parameters():  # sharp maps, in which a mistake shows
                torch.nn.init.normal_(parameter, std=0.5)

        def vectors(self, x: Any) -> Any:
            projected = (part(x) for part in (self.query, self.key, self.value))
            return [rows.unflatten(-1, (-1, test.width)).transpose(1, 2) for rows in projected]

        def forward(self, x: Any) -> Any:
            return test.attend(*self.vectors(x)).transpose(1, 2).flatten(2)

    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.dropout = Attending(), torch.nn.Dropout(0.3)

        def forward(self, x: Any) -> Any:
            return self.dropout(self.attention(x))

    return Model()
