"""The Weights page: distributions and statistics, equal to what was recorded."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from playwright.sync_api import expect
from texts import TEXT, WEIGHTS

import limelight as ll

COLUMNS = ("mean", "std", "min", "max", "norm", "near_zero", "nonfinite")
NAMES = "all => all.map(one => one.dataset.parameter)"


@pytest.fixture
def run(board):
    return ll.open_run(board.logdir / WEIGHTS)


@pytest.fixture
def page(tab):
    return tab.open(run=WEIGHTS, page="parameters")


def read(text):
    """The number a cell prints, and half of its last digit."""
    plain = text.replace("−", "-").replace(",", "").replace("%", "").replace("+", "").strip()
    number = Decimal(plain)
    share = 100 if "%" in text else 1
    return float(number) / share, 0.5 * 10.0 ** number.as_tuple().exponent / share


def test_the_table_prints_what_was_recorded(page, run):
    statistics = run.parameters(list(run.parameter_names), step=-1).isel(step=0)
    rows = page.inside.locator("tr[data-parameter]")
    names = rows.evaluate_all(NAMES)
    assert names == list(run.parameter_names)
    for at, name in enumerate(names):
        recorded = statistics.sel(parameter=name)
        for column in COLUMNS:
            cell = rows.nth(at).locator(f"[data-column={column}]")
            exact = float(recorded[column])
            assert float(cell.get_attribute("data-value")) == exact
            printed, slack = read(cell.inner_text().replace("<", ""))
            assert abs(printed - exact) <= slack * 1.001, (name, column, cell.inner_text())


def test_change_is_that_since_the_first_step(page, run):
    std = run.parameters("dense/kernel")["std"].values.ravel()
    cell = page.inside.locator("tr[data-parameter='dense/kernel'] [data-column=change]")
    assert float(cell.get_attribute("data-value")) == pytest.approx(std[-1] / std[0] - 1)
    page.press("[")
    assert float(cell.get_attribute("data-value")) == pytest.approx(std[-2] / std[0] - 1)


def test_ridges_are_painted_and_say_their_counts(page, run):
    expect(page.inside.locator("figure")).to_have_count(2)
    figure = page.inside.locator("figure[data-parameter='dense/kernel']")
    canvas = figure.locator("canvas")
    assert page.colours(canvas) > 20
    canvas.focus()
    page.page.keyboard.press("ArrowRight")
    reading = figure.locator(".reading")
    expect(reading).to_be_visible()
    said = {
        name: float(reading.get_attribute(f"data-{name}"))
        for name in ("step", "low", "high", "count", "share")
    }
    recorded = run.parameters("dense/kernel", step=int(said["step"])).squeeze()
    edges = np.linspace(float(recorded["low"]), float(recorded["high"]), 65)
    first, after = (int(np.argmin(abs(edges - said[end]))) for end in ("low", "high"))
    assert (said["low"], said["high"]) == pytest.approx((edges[first], edges[after]))
    counts = recorded["count"].values
    assert said["count"] == counts[first:after].sum()
    assert said["share"] == pytest.approx(said["count"] / counts.sum())


def test_what_is_chosen_is_kept_in_the_address(page, new_tab):
    page.inside.locator("tr[data-parameter='dense_1/bias']").click()
    page.ready()
    figures = ["dense/kernel", "dense_1/kernel", "dense_1/bias"]
    other = new_tab().go(page.page.url)
    for tab in (page, other):
        shown = tab.inside.locator("figure").evaluate_all(
            "all => all.map(f => f.dataset.parameter)"
        )
        assert shown == figures
        expect(tab.chosen_run).to_have_text(WEIGHTS)
        checked = tab.inside.locator("tr[aria-selected=true]")
        expect(checked).to_have_count(3)


def test_every_chosen_parameter_can_go_but_the_last(page):
    page.click("Remove dense/kernel")
    figures = page.inside.locator("figure")
    expect(figures).to_have_count(1)
    page.inside.locator("tr[data-parameter='dense_1/kernel']").click()
    expect(figures).to_have_count(1)


def test_a_run_with_attention_has_its_weights_too(tab):
    tab.open(run=TEXT)
    tab.click("Weights")
    assert tab.colours(tab.inside.locator("figure canvas")) > 20
    assert tab.fragment["page"] == "parameters"


def test_a_run_without_attention_leads_to_its_weights(tab):
    tab.open(run=WEIGHTS)
    tab.see("This run has no attention maps")
    tab.click("See its weights →")
    assert tab.colours(tab.inside.locator("figure canvas")) > 20


def test_the_runs_name_is_text(page):
    expect(page.chosen_run).to_have_text(WEIGHTS)
    assert page.inside.locator("b:text-is('x')").count() == 0
