"""The catalogue finds what the folder holds; a card that lacks a part, or lies, fails here."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import re
import types

import numpy as np
import pytest
import xarray as xr

import limelight
from limelight import analyses as room
from limelight import catalogue, schema
from limelight.catalogue import analyses, analysis, modules
from limelight.errors import DimensionError

CARDS = list(analyses().values())


@pytest.fixture
def asked_anew():
    """What is installed is looked up once in a process; here it seems to change."""
    asked = (catalogue._found, catalogue.registered)
    for looked_up in asked:
        looked_up.cache_clear()
    yield
    for looked_up in asked:
        looked_up.cache_clear()


def test_every_file_of_the_folder_is_found_in_order() -> None:
    files = sorted(item.name for item in pkgutil.iter_modules(room.__path__))
    how = ("blockwise", "pooling")  # not what is measured
    files = [name for name in files if name[0] != "_" and name not in how]
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


@pytest.mark.usefixtures("asked_anew")
def test_another_packages_analysis_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    @analysis(over=("key",), units="share", bounds=(0.0, 1.0))
    def last(weights: xr.DataArray) -> xr.DataArray:
        """Share on the last key."""
        return weights.isel(key=-1)

    module = types.ModuleType("theirs")
    module.last = last  # type: ignore[attr-defined]
    point = types.SimpleNamespace(load=lambda: module)
    monkeypatch.setattr(
        catalogue, "entry_points", lambda group: [point] if group == "limelight.analyses" else []
    )
    assert analyses()["last"].answers == "Share on the last key."


@pytest.mark.usefixtures("asked_anew")
def test_another_packages_broken_import_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ImportError("their dependency is missing")

    point = types.SimpleNamespace(load=load)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])
    assert "entropy" in analyses()


def test_a_measures_old_name_works_and_says_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match=r"limelight\.sink .*limelight\.first_key_share"):
        before = limelight.sink
    assert before is limelight.first_key_share


def test_a_private_module_is_no_member() -> None:
    assert all(
        not module.__name__.rsplit(".", 1)[1].startswith("_") for module in modules("analyses")
    )


def test_the_plugin_and_the_command_are_registered() -> None:
    scripts = importlib.metadata.entry_points(group="tensorboard_plugins", name="limelight")
    for point in scripts:
        assert point.value == "limelight.apps.tensorboard:LimelightPlugin"
