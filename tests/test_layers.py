"""Whose layer the public name gives: never a guess."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import limelight as ll
from limelight.errors import LimelightError, UnavailableError
from limelight.layers import framework_of


@pytest.fixture
def loaded(monkeypatch):
    """Pretend that only these frameworks are loaded: Keras by the name of its backend."""

    def pretend(keras: str | None = None, *, torch: bool = False) -> None:
        for name in ("keras", "torch"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        if keras:
            backend = SimpleNamespace(backend=lambda: keras)
            monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=backend))
        if torch:
            monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())

    return pretend


def test_the_loaded_framework_is_meant(loaded):
    loaded("tensorflow")
    assert framework_of(None) == "keras"
    loaded(torch=True)
    assert framework_of(None) == "torch"
    loaded("torch", torch=True)  # a layer of Keras is a module there
    assert framework_of(None) == "keras"


def test_where_both_are_loaded_one_has_to_say(loaded):
    loaded("jax", torch=True)
    with pytest.raises(LimelightError, match=r"both Keras and PyTorch.*framework='torch'"):
        ll.AttentionPooling(units=3)
    assert framework_of("torch") == "torch"


def test_where_none_is_loaded_nothing_is_loaded(loaded):
    loaded()
    with pytest.raises(UnavailableError, match="Import keras or torch first"):
        ll.AttentionPooling(4)


def test_a_subclass_would_never_be_made():
    with pytest.raises(LimelightError, match=r"limelight\.layers\.keras"):

        class Mine(ll.AttentionPooling):
            pass
