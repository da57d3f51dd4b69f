"""The catalogue finds what the folder holds; a card that lacks a part, or lies, fails here."""

from __future__ import annotations

import importlib.metadata
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import limelight
from limelight import analyses as room
from limelight import catalogue, schema
from limelight.catalogue import analyses, analysis, modules
from limelight.errors import CatalogueError, DimensionError, LimelightError, LimelightWarning
from limelight.factors import factored, lazy_weights
from limelight.measuring import measures_of, uniform_of
from limelight.rule import Rule

CARDS = list(analyses().values())


@pytest.fixture
def asked_anew():
    """What is installed is looked up once in a process; here it seems to change."""
    asked = (catalogue.modules, catalogue.registered)
    for looked_up in asked:
        looked_up.cache_clear()
    yield
    for looked_up in asked:
        looked_up.cache_clear()


def test_every_file_of_the_folder_is_found_in_order() -> None:
    files = sorted(path.stem for path in Path(room.__path__[0]).glob("[!_]*.py"))
    assert files
    assert [name for name in analyses() if name in files] == files


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_says_everything(card: catalogue.Analysis) -> None:
    assert card.answers.endswith(".")
    assert card.units
    assert card.tier in ("observed", "gradient-attributed", "intervened")
    assert card.kinds
    assert set(card.kinds) <= set(schema.KINDS)
    assert set(card.over) <= set(card.needs)
    assert len(card.bounds) == 2


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize(
    "part",
    [".. math::", "Parameters\n", "Returns\n", "Raises\n", "Notes\n", "References\n", "Examples\n"],
)
def test_a_docstring_has_every_part(card: catalogue.Analysis, part: str) -> None:
    assert part in (card.function.__doc__ or "")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_docstring_says_what_zero_or_the_lowest_means(card: catalogue.Analysis) -> None:
    assert re.search(r"^    (Zero|One|``1 / n``|.* is zero)", card.function.__doc__ or "", re.M)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_missing_dims_are_named(card: catalogue.Analysis) -> None:
    message = f"Analysis '{card.name}' got dims \\('layer', 'key'\\). It needs at least \\('query'"
    with pytest.raises(DimensionError, match=message):
        card.function(xr.DataArray(np.ones((2, 2)), dims=("layer", "key")))
    with pytest.raises(DimensionError, match=r"got an array of shape \(3,\)"):
        card.function(np.ones(3))


def last(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    """Share on the last key."""
    return weights.isel(key=-1)


def registered(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    """Let another package bring these, under their names, in a module of its own."""
    module = types.ModuleType("theirs")
    for name, function in functions.items():
        setattr(module, name, function)
    point = types.SimpleNamespace(load=lambda: module)
    monkeypatch.setattr(
        catalogue, "entry_points", lambda group: [point] if group == "limelight.analyses" else []
    )


@pytest.mark.usefixtures("asked_anew")
def test_another_packages_analysis_is_listed_and_called(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = analysis(over=("key",), units="share", bounds=(0.0, 1.0))(last)
    registered(monkeypatch, last=theirs)
    card = limelight.catalogue()["last"]
    assert (card.answers, card.title) == ("Share on the last key.", "last")
    assert (card.zh.title, card.zh.answers) == (card.title, card.answers)
    assert card([[0.75, 0.25]]).tolist() == [0.25]
    with pytest.raises(AttributeError, match=r"catalogue\(\)\['last'\]"):
        limelight.last  # noqa: B018  # only what lies in our own folder has a name there
    assert "last" not in dir(limelight)


@pytest.mark.usefixtures("asked_anew")
def test_an_analysis_of_the_release_before_works_and_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def before(weights: xr.DataArray) -> xr.DataArray:
        """Share on the last key."""
        return weights.isel(key=-1)

    with pytest.warns(DeprecationWarning, match=r"before\(weights\) .* before\(weights, allowed\)"):
        theirs = analysis(over=("key",), units="share", bounds=(0.0, 1.0))(before)
    registered(monkeypatch, before=theirs)
    assert analyses()["before"]([[0.75, 0.25]], [[True, True]]).tolist() == [0.25]


def raising(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    """Nothing."""
    raise KeyError("head")


def unlabelled(weights: xr.DataArray, allowed: xr.DataArray | None) -> Any:
    """Numbers without dims."""
    return weights.values.sum(-1)


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("function", "came"),
    [(raising, "raised KeyError: 'head'"), (unlabelled, "returned ndarray")],
)
@pytest.mark.parametrize("form", ["weights", "vectors"])
def test_one_that_fails_in_a_recording_is_told_by_name(
    function: Any, came: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = analysis(over=("key",), units="share", bounds=(0.0, 1.0))(function)
    registered(monkeypatch, theirs=theirs)
    site = sites()[form]
    message = f"'{function.__name__}' of {__name__} {came}"
    with pytest.raises(LimelightError, match=message):
        measures_of(site)


@pytest.mark.usefixtures("asked_anew")
def test_one_that_gives_no_number_for_a_query_or_a_map_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def received(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
        """How much each key receives."""
        return weights.sum("query")

    theirs = analysis(over=("query",), units="share", bounds=(0.0, 1.0))(received)
    registered(monkeypatch, received=theirs)
    assert analyses()["received"](np.eye(2)).tolist() == [1.0, 1.0]
    for site in sites().values():
        beside = {"nan_rows", "normalised_entropy_left_out", "largest_score"}
        assert set(measures_of(site)) - beside == set(uniform_of(site))
        assert "received" not in measures_of(site)


def sites() -> dict[str, xr.Dataset]:
    """Return one site, as weights and as vectors."""
    query = np.ones((1, 2, 3, 4), np.float32)
    vectors = lazy_weights(factored(query, query, Rule.causal(3, 3), 1.0))
    forms = {"weights": (vectors.dims, vectors.values), "vectors": vectors}
    return {
        form: xr.Dataset({"weights": weights}, attrs={"kind": "self"})
        for form, weights in forms.items()
    }


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("name", ["entropy", "twice"])
def test_a_clash_of_names_is_an_error_that_names_both(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entropy(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
        """Something else."""
        return weights.sum("key")

    entropy.__name__ = name
    card = {"over": ("key",), "units": "nat", "bounds": (0.0, 1.0)}
    theirs = {"a": analysis(**card)(entropy)}
    if name == "twice":
        theirs["b"] = analysis(**card)(entropy)
    registered(monkeypatch, **theirs)
    ours = "limelight.analyses.entropy" if name == "entropy" else __name__
    message = rf"Got two analyses called '{name}': one of {ours}, one of {__name__}\."
    with pytest.raises(CatalogueError, match=message):
        analyses()


@pytest.mark.usefixtures("asked_anew")
def test_what_another_package_imports_from_us_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, entropy=limelight.entropy, gini=limelight.gini)
    assert analyses()["entropy"].function is limelight.entropy


@pytest.mark.usefixtures("asked_anew")
def test_another_packages_broken_import_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("their dependency is missing")

    point = types.SimpleNamespace(load=load)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])
    assert "entropy" in analyses()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    "trouble", [RuntimeError("no GPU"), AttributeError("no such name"), SyntaxError("invalid")]
)
def test_another_packages_raising_module_hides_nothing_and_is_told(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise trouble

    point = types.SimpleNamespace(load=load, value="theirs.measures")
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])
    message = rf"without 'theirs.measures'.* under limelight.analyses.*{type(trouble).__name__}: "
    with pytest.warns(LimelightWarning, match=message):
        assert "entropy" in analyses()
    assert "entropy" in analyses(), "and it is told once"


@pytest.mark.usefixtures("asked_anew")
def test_an_entry_point_may_name_the_function_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = analysis(over=("key",), units="share", bounds=(0.0, 1.0))(last)
    points = [types.SimpleNamespace(load=lambda value=value: value) for value in (theirs, last, 3)]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points)
    assert analyses()["last"].function is theirs


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("capture", "limelight.capture is something else"),
        ("Recorder", "limelight.Recorder is something else"),
        ("nan_rows", "recordings count rows under such names"),
        ("gini_left_out", "recordings count rows under such names"),
        ("share_beyond", "as share_beyond_uniform, an analysis as well"),
    ],
)
def test_a_name_that_is_taken_is_an_error_that_says_by_what(
    name: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def theirs(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
        """Something else."""
        return weights.sum("key")

    theirs.__name__ = name
    registered(monkeypatch, a=analysis(over=("key",), units="nat", bounds=(0.0, 1.0))(theirs))
    with pytest.raises(CatalogueError, match=f"{name!r} of {__name__}, but .*{taken}"):
        analyses()


def test_a_private_module_is_no_member() -> None:
    assert all(
        not module.__name__.rsplit(".", 1)[1].startswith("_") for module in modules("analyses")
    )


def test_the_plugin_and_the_command_are_registered() -> None:
    scripts = importlib.metadata.entry_points(group="tensorboard_plugins", name="limelight")
    for point in scripts:
        assert point.value == "limelight.apps.tensorboard:LimelightPlugin"
