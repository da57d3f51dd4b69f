"""Models that one process cannot run alone are known by what packages write onto them."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from limelight.divided import refuse_divided
from limelight.errors import UnsupportedModelError


class Module:
    """As a module of torch, with one parameter."""

    def __init__(self, parameter, inner=None):
        self.parameter, self.inner = parameter, inner

    def modules(self):
        return [self, *([] if self.inner is None else [self.inner])]

    def named_parameters(self):
        yield "w", self.parameter


class DTensor:
    def __init__(self, size):
        self.device_mesh = SimpleNamespace(size=lambda: size)


class Engine:
    """A wrapper that nobody has heard of, of a package that spreads models."""


Engine.__module__ = "deepspeed.runtime.engine"


@pytest.fixture(autouse=True)
def _torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys.modules.get("torch", sys))


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (DTensor(2), "'w' is spread over a mesh of 2"),
        (SimpleNamespace(ds_id=0), "'w' is held in parts by DeepSpeed's ZeRO"),
        (SimpleNamespace(_is_flat_param=True), "'w' is one process's shard"),
        (SimpleNamespace(tensor_model_parallel=True), "tensor parallel"),
        (type("ShardedTensor", (), {})(), "'w' is one process's shard"),
    ],
)
def test_a_part_of_a_parameter(parameter, words):
    with pytest.raises(UnsupportedModelError, match=words):
        refuse_divided(Module(parameter))


@pytest.mark.parametrize(
    "parameter", [DTensor(1), SimpleNamespace(tensor_model_parallel=False, ds_id=None)]
)
def test_a_whole_parameter(parameter):
    refuse_divided(Module(parameter))


def test_a_wrapper_nobody_knows():
    with pytest.raises(UnsupportedModelError, match="whose Engine talks to other processes"):
        refuse_divided(Module(SimpleNamespace(), Engine()))


def test_arrays_of_jax_that_lie_on_other_processes(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", sys.modules.get("jax", sys))
    variable = SimpleNamespace(
        path="dense/kernel", value=SimpleNamespace(is_fully_addressable=False)
    )
    with pytest.raises(UnsupportedModelError, match="'dense/kernel' lies on other processes"):
        refuse_divided(SimpleNamespace(variables=[variable]))
