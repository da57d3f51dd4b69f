"""Every public name is documented in full, and every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import sys

import numpy as np
import pytest

import limelight
from limelight import catalogue

#: Modules that load a framework when imported; their examples are in the documentation instead.
FRAMEWORK = re.compile(
    r"limelight\.(capture\.keras|layers\.keras|mitigating\.keras|apps\.(keras|doctor\.smallest)|cases\.|training)"
)

#: Modules whose examples load torch; tests/apps/torch runs them, in a process without TensorFlow.
TORCH = re.compile(
    r"limelight\.(analyses\.blockwise\.torch_pass|capture\.(torch|gating|sweeping)"
    r"|apps\.(lightning|transformers)|layers\.torch|mitigating\.torch|record$|testing)"
)
TORCH_NAMES = {"LightningCallback", "TrainerCallback"}

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(limelight.__path__, "limelight.")
    if not FRAMEWORK.match(info.name)
    and not TORCH.match(info.name)
    and not info.name.endswith("__main__")
)

_HEADING = re.compile(r"^(\w[\w ]+)\n-{3,}$", re.MULTILINE)


def sections(thing: object) -> dict[str, str]:
    """Split a numpydoc docstring into its summary, under "", and its sections by heading."""
    text = inspect.getdoc(thing) or ""
    texts = {}
    heads = list(_HEADING.finditer(text))
    texts[""] = text[: heads[0].start() if heads else len(text)].strip()
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        texts[head[1]] = text[head.end() : following.start() if following else len(text)].strip()
    return texts


def parameters_of(thing) -> list[str]:
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(thing).parameters.items()
        if parameter.kind not in skipped and name != "self"
    ]


def problems_of(name: str, thing) -> list[str]:
    """Say what a public function's or class's docstring lacks."""
    parts = sections(thing)
    problems = [] if parts[""] else ["a summary"]
    documented = parts.get("Parameters", "") + "\n" + parts.get("Attributes", "")
    is_error = inspect.isclass(thing) and issubclass(thing, BaseException | Warning)
    if not is_error:
        problems += [
            f"parameter {parameter}"
            for parameter in parameters_of(thing)
            if not re.search(rf"^[\w, ]*\b{parameter}\b[\w, ]*( :|$)", documented, re.MULTILINE)
        ]
        returns = not inspect.isclass(thing) and inspect.signature(thing).return_annotation
        if returns not in (False, None, "None", inspect.Signature.empty):
            problems += [] if {"Returns", "Yields"} & set(parts) else ["Returns"]
    return [f"{name} lacks {problem}" for problem in problems]


def methods_of(thing) -> dict[str, object]:
    return {
        name: member
        for name, member in vars(thing).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property | classmethod))
    }


@pytest.mark.parametrize("name", sorted(set(limelight.__all__) - TORCH_NAMES))
def test_public_name_is_documented(name):
    thing = getattr(limelight, name)
    if inspect.ismodule(thing):
        assert thing.__doc__
        return
    if inspect.isclass(thing) and issubclass(thing, Exception):
        assert vars(thing).get("__doc__")  # parameters are the base's
        return
    problems = problems_of(name, thing)
    if inspect.isclass(thing):
        problems += [
            f"{name}.{method} lacks a docstring"
            for method, member in methods_of(thing).items()
            if not inspect.getdoc(member)
        ]
    assert not problems


ANALYSES = catalogue.analyses()


@pytest.mark.parametrize("name", ANALYSES)
def test_analysis_is_documented_in_full(name):
    card = ANALYSES[name]
    parts = sections(card.function)
    wanted = {"", "Parameters", "Returns", "Raises", "Notes", "References", "Examples"}
    assert wanted <= set(parts), f"{name} lacks {sorted(wanted - set(parts))}"
    assert not problems_of(name, inspect.unwrap(card.function))
    assert ".. math::" in parts[""], f"{name} gives no formula"
    assert re.search(r"doi:|arXiv:|section|chapter|equation", parts["References"])
    assert ">>> " in parts["Examples"]
    assert card.answers == parts[""].splitlines()[0]
    assert card.answers.endswith(".")
    assert parts["Notes"].lower().startswith(card.tier), f"{name}'s notes open with its tier"


@pytest.mark.parametrize("name", ANALYSES)
def test_analysis_declares_what_it_gives(name):
    card = ANALYSES[name]
    assert card.units
    assert card.tier in ("observed", "gradient-attributed", "intervened")
    assert set(card.kinds) <= {"self", "cross", "pooling", "feature"}
    sizes = {"key": 7, "query": 7, "log": np.log}
    low, high = (
        float(eval(bound, {"__builtins__": {}}, sizes)) if isinstance(bound, str) else bound  # ours
        for bound in card.bounds
    )
    assert low < high
    # The array's extremes reach the declared range and nothing leaves it.
    weights = np.concatenate([np.eye(7)[None], np.eye(7)[None, ::-1], np.full((1, 7, 7), 1 / 7)])
    values = card.function(weights)
    assert low - 1e-12 <= np.min(values)
    assert np.max(values) <= high + 1e-12


def test_what_is_missing_would_be_seen():
    def half_documented(weights, axis) -> float:
        """Sum.

        Parameters
        ----------
        weights : array
            Any.
        """
        return 0.0

    assert problems_of("half", half_documented) == [
        "half lacks parameter axis",
        "half lacks Returns",
    ]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    run_examples(name)


def run_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip() or module.__file__.endswith("__init__.py"), "no docstring"
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


def test_framework_modules_are_left_out_and_the_others_are_not():
    assert "limelight.analyses.entropy" in MODULES
    assert not any("keras" in name or "torch" in name for name in MODULES)
    assert "limelight.schema" in sys.modules
